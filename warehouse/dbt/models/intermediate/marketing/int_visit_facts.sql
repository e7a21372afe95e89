-- one row per visitor and day, as a fact: nearly as many as touches, and read where they lie
{{ config(materialized='view') }}

with visits as (
    select * from {{ ref('int_touch_subjects') }}
    where touch_type in ('visit', 'page_view')
),

final as (
    {{ fact('visitors', 'occurred_on', person='person_id', subject='account_id') }}
    from visits
)

select * from final

-- one row per day, type of touch, collateral and whose it was: a person's, or else an account's
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='subject_number',
    post_hook='{{ forget_untouched() }}',
    indexes=[{'columns': ['subject_number']}, {'columns': ['touch_type']}]
) }}

-- Of a table that is there, what has come is added and what is gone taken away.
with counted as (
    {%- if is_incremental() %}
    select 1 as sign, occurred_on, touch_type, collateral_id, person_id, account_id
    from {{ ref('int_touches') }}
    where event_id in (select event_id from {{ source('warehouse', 'changed_touches') }})
    union all
    select -1, occurred_on, touch_type, collateral_id, person_id, account_id
    from {{ source('warehouse', 'changed_touches') }}
    where occurred_on is not null
    {%- else %}
    select 1 as sign, occurred_on, touch_type, collateral_id, person_id, account_id
    from {{ ref('int_touches') }}
    {%- endif %}
),

touches as (
    select
        sign,
        occurred_on,
        touch_type,
        coalesce(collateral_id, '') as collateral_id,
        person_id,
        case when person_id is null then account_id end as account_id
    from counted
    where touch_type in ('visit', 'page_view', 'download', 'share')
),

summed as (
    select
        {{ hashed(joined([
            'occurred_on', 'touch_type', 'collateral_id',
            "coalesce(person_id::text, 'account ' || account_id, '')",
        ])) }} as subject_number,
        occurred_on,
        touch_type,
        collateral_id,
        person_id,
        account_id,
        sum(sign)::bigint as touches
    from touches
    group by 2, 3, 4, 5, 6
),

final as (
    {%- if is_incremental() %}
    select
        subject_number,
        summed.occurred_on,
        summed.touch_type,
        summed.collateral_id,
        summed.person_id,
        summed.account_id,
        summed.touches + coalesce(before.touches, 0) as touches
    from summed
    left join {{ this }} as before using (subject_number)
    where summed.touches <> 0
    {%- else %}
    select * from summed
    {%- endif %}
)

select * from final

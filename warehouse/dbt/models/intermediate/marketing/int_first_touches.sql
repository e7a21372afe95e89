-- one row per lead that was touched: its first touch
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook='{{ forget_changed_leads() }}',
    indexes=[{'columns': ['lead_id']}]
) }}

with leads as (
    {%- if is_incremental() %}
    {{ changed_leads() }}
    {%- else %}
    select distinct lead_id from {{ ref('int_touches') }}
    where lead_id is not null
    {%- endif %}
),

-- looked up by lead: all touches are many times as many
final as (
    select
        leads.lead_id,
        first_touch.*
    from leads
    cross join lateral (
        select account_id, channel, occurred_at, occurred_on
        from {{ ref('int_touches') }} as touches
        where touches.lead_id = leads.lead_id
        order by occurred_on, occurred_at, event_id
        limit 1
    ) as first_touch
)

select * from final

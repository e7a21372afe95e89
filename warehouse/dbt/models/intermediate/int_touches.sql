-- one row per touch, with the account and the lead it belongs to by all that is known now
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook='{{ forget_changed_touches() }}',
    indexes=[
        {'columns': ['event_id'], 'unique': true},
        {'columns': ['account_id', 'occurred_on']},
        {'columns': ['lead_id', 'occurred_on']},
    ]
) }}

with touches as (
    select * from {{ ref('stg_touches') }}
    {%- if is_incremental() %}
    where event_id in (select event_id from {{ source('warehouse', 'changed_touches') }})
    {%- endif %}
),

identifiers as (
    select * from {{ ref('stg_identifiers') }}
),

final as (
    select
        touches.event_id,
        touches.occurred_at,
        touches.occurred_on,
        touches.day_only,
        touches.channel,
        touches.campaign_id,
        coalesce(touches.account_id, identifiers.account_id) as account_id,
        identifiers.person_id,
        coalesce(touches.lead_id, identifiers.lead_id) as lead_id,
        touches.touch_type,
        touches.collateral_id
    from touches
    left join identifiers using (identifier_id)
)

select * from final

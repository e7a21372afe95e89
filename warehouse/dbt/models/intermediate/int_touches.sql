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
)

select
    event_id,
    occurred_at,
    occurred_on,
    day_only,
    channel,
    campaign_id,
    account_id,
    person_id,
    lead_id,
    touch_type,
    collateral_id
from touches

-- one row per touch as it came
select
    event_id,
    identifier_id,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    day_only,
    channel,
    campaign_id,
    account_id,
    lead_id,
    touch_type,
    collateral_id
from {{ source('stream', 'stored_touches') }}

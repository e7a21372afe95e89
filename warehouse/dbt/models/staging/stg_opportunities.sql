-- one row per change of an opportunity
select
    event_id,
    account_id,
    opportunity_id,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    day_only,
    stage,
    outcome,
    amount,
    currency,
    lead_id
from {{ source('stream', 'opportunities') }}

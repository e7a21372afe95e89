-- one row per change of an opportunity
select
    event_id,
    account_id,
    opportunity_id,
    occurred_at,
    day_only,
    stage
from {{ source('stream', 'opportunities') }}

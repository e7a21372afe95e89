-- one row per usage event, with its account and person by all that is known now
select
    event_id,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    feature,
    account_id,
    person_id,
    times
from {{ source('stream', 'resolved_usage') }}

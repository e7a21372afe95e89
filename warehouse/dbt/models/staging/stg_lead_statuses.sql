-- one row per change of a lead's status, with its person and account by all that is known now
select
    event_id,
    lead_id,
    person_id,
    account_id,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    status
from {{ source('stream', 'resolved_lead_statuses') }}

-- one row per step of an application for a job
select
    event_id,
    application_id,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    step,
    requirement,
    score
from {{ source('stream', 'applications') }}

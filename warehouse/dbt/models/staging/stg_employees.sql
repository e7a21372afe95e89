-- one row per change of somebody's employment
select
    event_id,
    employee_id,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    status,
    termination
from {{ source('stream', 'employees') }}

-- one row per state that a merge request came to
select
    event_id,
    merge_request_id,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    state,
    author,
    is_community
from {{ source('stream', 'merge_requests') }}

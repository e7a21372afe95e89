-- one row per answer to how likely somebody is to recommend us
select
    event_id,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    audience,
    score
from {{ source('stream', 'surveys') }}

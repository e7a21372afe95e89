-- one row per revenue event
select
    event_id,
    account_id,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    day_only,
    kind,
    iacv,
    tcv,
    currency,
    product
from {{ source('warehouse', 'revenue') }}

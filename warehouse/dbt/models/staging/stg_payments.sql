-- one row per payment or refund
select
    event_id,
    invoice_id,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    amount,
    currency
from {{ source('stream', 'payments') }}

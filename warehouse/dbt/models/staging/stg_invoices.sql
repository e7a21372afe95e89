-- one row per invoice or credit note
select
    event_id,
    invoice_id,
    opportunity_id,
    occurred_at,
    (occurred_at at time zone 'UTC')::date as occurred_on,
    amount,
    currency
from {{ source('stream', 'invoices') }}

-- one row per invoice that is paid in full, by all that was invoiced, credited and refunded since
with invoices as (
    select * from {{ ref('stg_invoices') }}
),

payments as (
    select * from {{ ref('stg_payments') }}
    where invoice_id is not null
),

deals as (
    select * from {{ ref('int_deals') }}
    where outcome = 'won'
),

owed as (
    select
        invoice_id,
        currency,
        min(occurred_at) as invoiced_at,
        max(opportunity_id) as opportunity_id,
        sum(amount) as amount
    from invoices
    group by 1, 2
),

paid as (
    select
        payments.invoice_id,
        payments.currency,
        payments.occurred_at,
        payments.occurred_on,
        owed.amount as owed,
        row_number() over invoice as position,
        sum(payments.amount) over invoice as paid
    from payments
    inner join owed using (invoice_id, currency)
    where owed.amount > 0
    window invoice as (
        partition by payments.invoice_id, payments.currency
        order by payments.occurred_at, payments.event_id
        rows between unbounded preceding and current row
    )
),

-- after the last payment or refund that left something owed
short as (
    select
        invoice_id,
        currency,
        max(position) as position
    from paid
    where paid < owed
    group by 1, 2
),

settled as (
    select distinct on (invoice_id, currency)
        paid.*
    from paid
    left join short using (invoice_id, currency)
    where paid.position > coalesce(short.position, 0)
    order by paid.invoice_id, paid.currency, paid.position
),

final as (
    select
        settled.invoice_id,
        settled.occurred_on as paid_on,
        coalesce(deals.closed_at, owed.invoiced_at) as ordered_at,
        settled.occurred_at as paid_at
    from settled
    inner join owed using (invoice_id, currency)
    left join deals using (opportunity_id)
)

select * from final

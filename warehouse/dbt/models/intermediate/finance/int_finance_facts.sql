-- one row per fact of finance's metrics
{{ config(materialized='view') }}

with paid_invoices as (
    select * from {{ ref('int_paid_invoices') }}
),

balances as (
    select
        event_id,
        occurred_on,
        lead(occurred_on) over account as next_on,
        currency,
        amount
    from {{ ref('int_ledger') }}
    where entry = 'cash_balance'
    window account as (partition by booked_currency order by occurred_on)
),

final as (
    {{ fact(
        'order_to_cash_days', 'paid_on', observation=days_between('ordered_at', 'paid_at'),
    ) }}
    from paid_invoices
    union all
    {{ fact('cash_balance', 'occurred_on', currency='currency', numerator='amount') }}
    from balances
    union all
    {{ fact('cash_balance', 'next_on', currency='currency', numerator='-amount') }}
    from balances
    where next_on is not null
)

select * from final

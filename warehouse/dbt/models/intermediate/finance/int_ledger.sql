-- one row per entry of the books, in the currency that figures are in
with ledger as (
    select * from {{ ref('stg_ledger') }}
),

final as (
    select
        ledger.event_id,
        ledger.occurred_on,
        ledger.entry,
        ledger.currency as booked_currency,
        {{ amount(reporting_amount('ledger.amount')) }} as amount,
        {{ reporting_currency('ledger.currency') }} as currency
    from ledger
    {{ rate_join('ledger', 'occurred_on') }}
)

select * from final

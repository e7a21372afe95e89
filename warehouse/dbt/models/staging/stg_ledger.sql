-- one row per entry of the books; of a day's balances of cash the one that arrived last
select distinct on (date, currency, entry, case when entry <> 'cash_balance' then event_id end)
    event_id,
    date as occurred_on,
    entry,
    amount,
    currency
from {{ source('stream', 'ledger') }}
order by
    date, currency, entry, case when entry <> 'cash_balance' then event_id end,
    received_at desc, kafka_offset desc

-- one row per day and pair of currencies: the rate that arrived last
select distinct on (currency, to_currency, date)
    currency,
    to_currency,
    date as valid_from,
    rate
from {{ source('stream', 'exchange_rates') }}
order by currency, to_currency, date, received_at desc, kafka_offset desc

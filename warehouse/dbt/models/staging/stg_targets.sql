-- one row per metric, period and its first day: the target that arrived last
select distinct on (metric, period, date)
    metric,
    period,
    date as period_start,
    value,
    currency
from {{ source('stream', 'targets') }}
order by metric, period, date, received_at desc, kafka_offset desc

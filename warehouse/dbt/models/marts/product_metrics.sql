-- one row per metric, breakdown, period, period_start and currency
{{ metrics_of('product') }}

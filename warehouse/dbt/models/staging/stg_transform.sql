-- one row: which run the marts are made of, as of which day, and how long customers stay
select
    as_of,
    run_id,
    retention_years,
    retention_low,
    retention_high
from {{ source('warehouse', 'transforms') }}

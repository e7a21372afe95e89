-- one row per conversion that the run explains, in the reporting currency where it has a rate
select
    conversion_id,
    account_id,
    occurred_at,
    occurred_on,
    day_only,
    iacv,
    currency,
    kept,
    earned,
    provisional
from {{ source('warehouse', 'conversions') }}

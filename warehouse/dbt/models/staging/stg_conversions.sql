-- one row per conversion that the published run explains
select
    conversions.run_id,
    conversions.conversion_id,
    conversions.account_id,
    (conversions.occurred_at at time zone 'UTC')::date as occurred_on,
    conversions.iacv,
    conversions.currency
from {{ source('attribution', 'conversions') }} as conversions
inner join {{ source('attribution', 'published_run') }} as run using (run_id)

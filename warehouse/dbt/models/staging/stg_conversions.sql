-- one row per conversion that the published run explains, and that its sums hold
select
    conversions.run_id,
    conversions.conversion_id,
    conversions.account_id,
    (conversions.occurred_at at time zone 'UTC')::date as occurred_on,
    conversions.iacv,
    conversions.currency,
    conversions.provisional
from {{ source('attribution', 'conversions') }} as conversions
inner join {{ source('attribution', 'published_run') }} as run using (run_id)
where conversions.in_sums

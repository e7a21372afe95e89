-- one row per period and currency: all IACV less that of the conversions a run explains
with revenue as (
    select * from {{ ref('int_revenue') }}
),

conversions as (
    select * from {{ ref('stg_conversions') }}
),

signed as (
    select occurred_on, currency, iacv from revenue
    union all
    select occurred_on, currency, -iacv as iacv from conversions
),

final as (
    select
        periods.period,
        periods.period_start,
        signed.currency,
        sum(signed.iacv) as iacv
    from signed
    {{ periods('signed.occurred_on') }}
    group by 1, 2, 3
)

select * from final

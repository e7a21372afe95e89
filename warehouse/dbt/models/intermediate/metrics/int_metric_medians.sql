-- one row per metric that is a median, breakdown, currency and period
with facts as (
    select * from {{ ref('int_facts') }}
    where aggregation = 'median'
),

final as (
    select
        facts.metric,
        facts.breakdown,
        periods.period,
        periods.period_start,
        facts.currency,
        percentile_cont(0.5) within group (order by facts.observation) as value,
        null::double precision as numerator,
        count(*)::double precision as denominator
    from facts
    {{ periods('facts.occurred_on') }}
    group by 1, 2, 3, 4, 5
)

select * from final

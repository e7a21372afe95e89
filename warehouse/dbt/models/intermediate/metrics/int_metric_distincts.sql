-- one row per metric that counts each subject once, breakdown, currency and period
with facts as (
    select * from {{ ref('int_facts') }}
    where aggregation = 'distinct'
),

counted as (
    select
        facts.metric,
        facts.breakdown,
        periods.period,
        periods.period_start,
        facts.currency,
        count(distinct coalesce(facts.person_id::text, facts.subject))::double precision
            as numerator,
        nullif(count(distinct facts.per), 0)::double precision as denominator
    from facts
    {{ periods('facts.occurred_on') }}
    group by 1, 2, 3, 4, 5
),

final as (
    select
        metric,
        breakdown,
        period,
        period_start,
        currency,
        numerator / coalesce(denominator, 1) as value,
        numerator,
        denominator
    from counted
)

select * from final

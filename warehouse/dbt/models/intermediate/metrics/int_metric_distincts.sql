-- one row per metric that counts each subject once, breakdown, currency and period
with facts as (
    select * from {{ ref('int_facts') }}
    where aggregation = 'distinct'
),

-- once a day, then once a period: cheaper than to count what is distinct in all rows
days as (
    select distinct
        metric,
        breakdown,
        currency,
        occurred_on,
        coalesce(person_id::text, subject) as subject,
        per
    from facts
),

subjects as (
    select distinct
        days.metric,
        days.breakdown,
        days.currency,
        periods.period,
        periods.period_start,
        days.subject,
        days.per
    from days
    {{ periods('days.occurred_on') }}
),

counted as (
    select
        metric,
        breakdown,
        currency,
        period,
        period_start,
        per,
        count(*) as subjects
    from subjects
    group by 1, 2, 3, 4, 5, 6
),

final as (
    select
        metric,
        breakdown,
        period,
        period_start,
        currency,
        sum(subjects)::double precision / coalesce(nullif(count(per), 0), 1) as value,
        sum(subjects)::double precision as numerator,
        nullif(count(per), 0)::double precision as denominator
    from counted
    group by 1, 2, 3, 4, 5
)

select * from final

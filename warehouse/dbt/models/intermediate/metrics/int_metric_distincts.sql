-- one row per metric that counts each subject once, breakdown, currency and period
with {{ available_facts(['int_visits']) }},

facts as (
    select metric, breakdown, currency, occurred_on, person_id, subject, per
    from {{ ref('int_facts') }}
    where aggregation = 'distinct'
    union all
    select metric, breakdown, currency, occurred_on, person_id, subject, per
    from available_facts
),

-- cheaper than to find what is distinct among all facts five times
days as (
    select distinct
        metric,
        breakdown,
        currency,
        occurred_on,
        {{ hashed('coalesce(person_id::text, subject)') }} as subject_number,
        per
    from facts
),

first_days as (
    select
        *,
        lag(occurred_on) over (
            partition by subject_number, metric, breakdown, currency, per order by occurred_on
        ) as before_on
    from days
),

day_counts as (
    select
        metric,
        breakdown,
        currency,
        occurred_on,
        per,
        {{ counts_on_first_days('occurred_on', 'before_on', 1) }}
    from first_days
    group by 1, 2, 3, 4, 5
),

counted as (
    select
        day_counts.metric,
        day_counts.breakdown,
        day_counts.currency,
        periods.period,
        periods.period_start,
        day_counts.per,
        sum({{ count_of_period() }}) as subjects
    from day_counts
    {{ periods('day_counts.occurred_on') }}
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

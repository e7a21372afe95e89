-- one row per metric that counts each subject once, breakdown, currency and period
with {{ available_facts(['int_visit_facts']) }},

facts as not materialized (
    select metric, breakdown, currency, occurred_on, person_id, subject, per
    from {{ ref('int_facts') }}
    where aggregation = 'distinct'
    union all
    select metric, breakdown, currency, occurred_on, person_id, subject, per
    from available_facts
),

{%- set series = ['metric', 'breakdown', 'currency', "coalesce(per, '')"] %}

-- sorts of millions of rows take half as long by numbers
days as (
    select distinct
        {{ hashed(joined(series)) }} as series_number,
        {{ hashed('coalesce(person_id::text, subject)') }} as subject_number,
        occurred_on
    from facts
),

first_days as (
    select
        *,
        lag(occurred_on) over (
            partition by series_number, subject_number order by occurred_on
        ) as before_on
    from days
),

day_counts as (
    select
        series_number,
        occurred_on,
        {{ counts_on_first_days('occurred_on', 'before_on', 1) }}
    from first_days
    group by 1, 2
),

series as (
    select
        metric,
        breakdown,
        currency,
        per,
        {{ hashed(joined(series)) }} as series_number
    from facts
    group by 1, 2, 3, 4
),

counted as (
    select
        series.metric,
        series.breakdown,
        series.currency,
        periods.period,
        periods.period_start,
        series.per,
        sum({{ count_of_period() }}) as subjects
    from day_counts
    inner join series using (series_number)
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

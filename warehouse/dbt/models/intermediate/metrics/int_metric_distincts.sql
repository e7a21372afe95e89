-- one row per metric that counts each subject once, breakdown, currency and period
with {{ available_facts(['int_visit_facts']) }},

{%- set series = ['metric', 'breakdown', 'currency', "coalesce(per, '')"] %}

-- numbers of series in each part, for of visits they are one and the same
facts as not materialized (
    {%- for source in [ref('int_facts'), 'available_facts'] %}
    select
        metric,
        breakdown,
        currency,
        per,
        {{ hashed(joined(series)) }} as series_number,
        person_id,
        subject,
        occurred_on
    from {{ source }}
    where aggregation = 'distinct'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- sorts of millions of rows take half as long by numbers
days as (
    select distinct
        series_number,
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
        series_number
    from facts
    group by 1, 2, 3, 4, 5
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

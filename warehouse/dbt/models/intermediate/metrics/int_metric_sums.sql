-- one row per metric that is a sum or a ratio of sums, breakdown, currency and period
with facts as (
    select * from {{ ref('int_facts') }}
    where aggregation in ('sum', 'ratio')
),

calendar as (
    select * from {{ ref('int_calendar') }}
),

days as (
    select
        metric,
        aggregation,
        breakdown,
        currency,
        occurred_on,
        sum(numerator) as numerator,
        sum(denominator) as denominator
    from facts
    group by 1, 2, 3, 4, 5
),

-- between its first and its last fact, what didn't happen is known to be nothing
spans as (
    select
        metric,
        min(occurred_on) filter (where numerator is not null) as numerator_from,
        max(occurred_on) filter (where numerator is not null) as numerator_until,
        min(occurred_on) filter (where denominator is not null) as denominator_from,
        max(occurred_on) filter (where denominator is not null) as denominator_until
    from days
    group by metric
),

series as (
    select distinct metric, aggregation, breakdown, currency from days
    where aggregation = 'sum'
),

parts as (
    select
        days.metric,
        days.aggregation,
        days.breakdown,
        days.currency,
        periods.period,
        periods.period_start,
        days.numerator,
        days.denominator
    from days
    {{ periods('days.occurred_on') }}
    union all
    select
        series.metric,
        series.aggregation,
        series.breakdown,
        series.currency,
        calendar.period,
        calendar.period_start,
        0,
        null
    from series
    inner join spans using (metric)
    inner join calendar
        on calendar.as_of_on >= spans.numerator_from
        and calendar.period_start <= spans.numerator_until
),

sums as (
    select
        metric,
        aggregation,
        breakdown,
        currency,
        period,
        period_start,
        sum(numerator) as numerator,
        sum(denominator) as denominator
    from parts
    group by 1, 2, 3, 4, 5, 6
),

known as (
    select
        sums.metric,
        sums.aggregation,
        sums.breakdown,
        sums.period,
        sums.period_start,
        sums.currency,
        coalesce(
            sums.numerator,
            case
                when calendar.as_of_on >= spans.numerator_from
                    and calendar.period_start <= spans.numerator_until then 0
            end
        ) as numerator,
        coalesce(
            sums.denominator,
            case
                when calendar.as_of_on >= spans.denominator_from
                    and calendar.period_start <= spans.denominator_until then 0
            end
        ) as denominator
    from sums
    inner join spans using (metric)
    inner join calendar using (period, period_start)
),

final as (
    select
        metric,
        breakdown,
        period,
        period_start,
        currency,
        case
            when aggregation = 'sum' then numerator
            else numerator::double precision / nullif(denominator, 0)
        end::double precision as value,
        numerator::double precision as numerator,
        denominator::double precision as denominator
    from known
)

select * from final

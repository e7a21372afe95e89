-- one row per metric, week, month or quarter, and currency: the pipeline beside the next target
with calendar as (
    select * from {{ ref('int_calendar') }}
    where period in ('week', 'month', 'quarter')
),

open_pipeline as (
    select * from {{ ref('int_metric_balances') }}
    where metric = 'open_pipeline'
),

-- what is to be won in the period after
targets as (
    select
        calendar.period,
        calendar.period_start,
        calendar.as_of_on,
        targets.value,
        targets.currency
    from calendar
    inner join {{ ref('int_targets') }} as targets
        on targets.period = calendar.period
        and targets.period_start = calendar.ends_on + 1
    where targets.metric = 'iacv'
),

closed as (
    select * from {{ ref('int_deals') }}
    where outcome in ('won', 'lost') and amount is not null
),

win_rates as (
    select
        targets.period,
        targets.period_start,
        closed.currency,
        targets.value as target,
        sum(case when closed.outcome = 'won' then closed.amount else 0 end)::double precision
        / nullif(sum(closed.amount), 0) as win_rate
    from targets
    inner join closed
        on closed.closed_on <= targets.as_of_on
        and closed.closed_on > (targets.as_of_on - interval '12 months')::date
        and targets.currency in ('', closed.currency)
    group by 1, 2, 3, 4
),

final as (
    select
        'pipeline_coverage' as metric,
        '' as breakdown,
        calendar.period,
        calendar.period_start,
        open_pipeline.currency,
        open_pipeline.numerator / nullif(targets.value::double precision, 0) as value,
        open_pipeline.numerator,
        targets.value::double precision as denominator
    from calendar
    inner join open_pipeline using (period, period_start)
    left join targets
        on targets.period = calendar.period
        and targets.period_start = calendar.period_start
        and targets.currency in ('', open_pipeline.currency)
    union all
    select
        'pipeline_requirement',
        '',
        period,
        period_start,
        currency,
        target::double precision / nullif(win_rate, 0),
        target::double precision,
        win_rate
    from win_rates
)

select * from final

-- one row per metric, breakdown, period and currency, or one alone of a metric that has no figure
{%- set columns =
    'metric, breakdown, period, period_start, currency, value, numerator, denominator'
%}
{%- set computed = [
    'int_metric_sums', 'int_metric_medians', 'int_metric_distincts', 'int_metric_balances',
    'int_pipeline_snapshots', 'int_finance_snapshots',
] %}

with metrics as (
    select * from {{ ref('int_metrics') }}
),

targets as (
    select * from {{ ref('int_targets') }}
),

figures as (
    {%- for model in computed %}
    select
        {{ columns }},
        null::double precision as value_low,
        null::double precision as value_high
    from {{ ref(model) }}
    union all
    {%- endfor %}
    select
        {{ columns }},
        value_low,
        value_high
    from {{ ref('int_experiment_snapshots') }}
),

filled as (
    select
        metrics.department,
        metrics.metric,
        metrics.target as standing_target,
        metrics.target_is,
        coalesce(figures.breakdown, '') as breakdown,
        coalesce(figures.period, 'all') as period,
        coalesce(figures.period_start, '-infinity'::date) as period_start,
        coalesce(figures.currency, '') as currency,
        figures.value,
        figures.value_low,
        figures.value_high,
        figures.numerator,
        figures.denominator
    from metrics
    left join figures on figures.metric = metrics.metric and metrics.is_available
),

-- a target is for the whole: that of the period itself, or else the one that always stands
aimed as (
    select
        filled.*,
        case
            when filled.breakdown = ''
                then coalesce(targets.value::double precision, filled.standing_target)
        end as target
    from filled
    left join targets
        on targets.metric = filled.metric
        and targets.period = filled.period
        and targets.period_start = filled.period_start
        and targets.currency in ('', filled.currency)
),

final as (
    select
        department,
        metric,
        breakdown,
        period,
        nullif(period_start, '-infinity'::date) as period_start,
        nullif(currency, '') as currency,
        value,
        value_low,
        value_high,
        numerator,
        denominator,
        target,
        case target_is
            when 'at_least' then value >= target
            when 'at_most' then value <= target
        end as meets_target
    from aimed
)

select * from final

-- one row per metric
with metrics as (
    select * from {{ ref('int_metrics') }}
),

figures as (
    select
        metric,
        count(value) > 0 as is_known
    from {{ ref('int_metric_values') }}
    group by metric
),

final as (
    select
        metrics.department,
        metrics.metric,
        figures.is_known as is_available,
        case
            when not figures.is_known
                then coalesce(metrics.reason, 'the events so far make no figure')
        end as reason
    from metrics
    inner join figures using (metric)
)

select * from final

-- one row per model, dimension, channel, campaign, period and currency of the published run
select
    summary.run_id,
    summary.model,
    summary.dimension,
    summary.channel,
    summary.campaign_id,
    summary.period,
    coalesce(summary.period_start, '-infinity'::date) as period_start,
    summary.currency,
    summary.conversions_mean,
    summary.conversions_low,
    summary.conversions_high,
    summary.iacv_mean,
    summary.iacv_low,
    summary.iacv_high
from {{ source('attribution', 'credit_summary') }} as summary
inner join {{ source('attribution', 'published_run') }} as run using (run_id)

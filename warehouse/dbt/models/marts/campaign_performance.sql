-- one row per model, period, period_start, channel, campaign (or baseline) and currency
with performance as (
    select * from {{ ref('int_performance') }}
),

campaigns as (
    select * from {{ ref('stg_campaigns') }}
),

final as (
    select
        performance.run_id,
        performance.model,
        performance.period,
        performance.period_start,
        performance.channel,
        performance.campaign_id,
        campaigns.campaign_name,
        performance.currency,
        performance.spend,
        performance.touches,
        performance.leads,
        performance.attributed_leads,
        performance.cost_per_lead,
        performance.attributed_conversions_mean,
        performance.attributed_conversions_low,
        performance.attributed_conversions_high,
        performance.attributed_iacv_mean,
        performance.attributed_iacv_low,
        performance.attributed_iacv_high
    from performance
    left join campaigns using (campaign_id)
    where performance.dimension = 'campaign'
)

select * from final

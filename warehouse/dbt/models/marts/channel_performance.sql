-- one row per model, period, period_start, channel (or baseline) and currency
with performance as (
    select * from {{ ref('int_performance') }}
),

final as (
    select
        run_id,
        model,
        period,
        period_start,
        channel,
        currency,
        spend,
        touches,
        leads,
        attributed_leads,
        cost_per_lead,
        attributed_conversions_mean,
        attributed_conversions_low,
        attributed_conversions_high,
        attributed_iacv_mean,
        attributed_iacv_low,
        attributed_iacv_high
    from performance
    where dimension = 'channel'
)

select * from final

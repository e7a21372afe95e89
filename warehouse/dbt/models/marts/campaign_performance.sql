-- one row per model, period, period_start, channel, campaign (or baseline) and currency
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ forget_changed_figures('campaign') }}",
    on_schema_change='fail',
    indexes=[
        {'columns': ['model', 'period', 'period_start']},
        {'columns': ['period', 'period_start']},
    ]
) }}

with {{ performance('campaign') }},

campaigns as (
    select * from {{ ref('stg_campaigns') }}
),

final as (
    select
        figures.run_id,
        figures.model,
        figures.period,
        figures.period_start,
        figures.channel,
        figures.campaign_id,
        campaigns.campaign_name,
        figures.currency,
        figures.spend,
        figures.touches,
        figures.leads,
        figures.attributed_leads,
        figures.cost_per_lead,
        figures.attributed_conversions_mean,
        figures.attributed_conversions_low,
        figures.attributed_conversions_high,
        figures.attributed_iacv_mean,
        figures.attributed_iacv_low,
        figures.attributed_iacv_high,
        figures.conversion_rate,
        figures.median_conversion_days,
        figures.iacv_at_median_conversion_time,
        figures.estimated_iacv,
        figures.cac,
        figures.cac_low,
        figures.cac_high,
        figures.ltv,
        figures.ltv_low,
        figures.ltv_high,
        figures.roi,
        figures.roi_low,
        figures.roi_high,
        figures.bound
    from figures
    left join campaigns using (campaign_id)
)

select * from final

-- one row per model, period, period_start, channel (or baseline) and currency
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ forget_changed_figures('channel') }}",
    on_schema_change='fail',
    indexes=[
        {'columns': ['model', 'period', 'period_start']},
        {'columns': ['period', 'period_start']},
    ]
) }}

with {{ performance('channel') }},

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
        attributed_iacv_high,
        conversion_rate,
        median_conversion_days,
        iacv_at_median_conversion_time,
        estimated_iacv,
        cac,
        cac_low,
        cac_high,
        ltv,
        ltv_low,
        ltv_high,
        roi,
        roi_low,
        roi_high,
        bound
    from figures
)

select * from final

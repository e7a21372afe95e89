-- one row per model, period, period_start, lead (or baseline, or unknown) and currency
{{ config(materialized='view') }}

with touches as not materialized (
    select occurred_on, channel, campaign_id, lead_id, lead_id as member
    from {{ ref('int_touches') }}
    where lead_id is not null
    union all
    select occurred_on, channel, campaign_id, lead_id, '(unknown)'
    from {{ ref('int_touches') }}
    where lead_id is null
),

credit as not materialized (
    select model, occurred_on, lead_id as member, currency, age_days, share, iacv, kept, earned
    from {{ ref('int_credit') }}
    where touch_id is not null
    union all
    select model, occurred_on, '(baseline)', currency, age_days, share, iacv, kept, earned
    from {{ ref('int_credit') }}
    where touch_id is null
),

leads as not materialized (
    select model, became_lead_on, lead_id as member, share
    from {{ ref('stg_lead_credit') }}
    where channel <> '(baseline)'
    union all
    select model, became_lead_on, '(baseline)', share
    from {{ ref('stg_lead_credit') }}
    where channel = '(baseline)'
),

{{ member_performance('lead', 'lead_id') }},

final as (
    select
        figures.run_id,
        figures.model,
        figures.period,
        figures.period_start,
        figures.member as lead_id,
        figures.currency,
        figures.spend,
        figures.touches::bigint as touches,
        figures.leads::bigint as leads,
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
        figures.roi_high
    from figures
)

select * from final

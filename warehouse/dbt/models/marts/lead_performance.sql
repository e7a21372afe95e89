-- one row per model, period, period_start, lead (or baseline, or unknown) and currency
{{ config(materialized='view') }}

with {{ touches_of('lead_id', '(unknown)') }},

{{ credit_of('lead_id', '(unknown)') }},

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

-- one row per model, dimension, period, channel and campaign (or baseline) with leads credited
with lead_credit as (
    select * from {{ ref('stg_lead_credit') }}
),

final as (
    select
        lead_credit.model,
        dimensions.dimension,
        periods.period,
        periods.period_start,
        lead_credit.channel,
        dimensions.dimension_campaign_id as campaign_id,
        sum(lead_credit.share) as attributed_leads
    from lead_credit
    {{ periods('lead_credit.became_lead_on') }}
    {{ dimensions('lead_credit.campaign_id') }}
    group by 1, 2, 3, 4, 5, 6
)

select * from final

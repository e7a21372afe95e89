-- one row per model, period, period_start, account (or baseline, or unknown) and currency
{{ config(materialized='view') }}

with touches as (
    select
        occurred_on,
        channel,
        campaign_id,
        lead_id,
        coalesce(account_id, '(unknown)') as member
    from {{ ref('int_touches') }}
),

credit as (
    select
        model,
        occurred_on,
        case when touch_id is null then '(baseline)' else '' end as channel,
        case when touch_id is null then '(baseline)' else account_id end as member,
        currency,
        age_days,
        share,
        iacv,
        kept,
        earned
    from {{ ref('int_credit') }}
),

leads as (
    select
        credited.model,
        credited.became_lead_on,
        case
            when credited.channel = '(baseline)' then '(baseline)'
            else coalesce(persons.account_id, '(unknown)')
        end as member,
        credited.share
    from {{ ref('stg_lead_credit') }} as credited
    left join {{ ref('stg_lead_persons') }} as persons using (lead_id)
),

accounts as (
    select * from {{ ref('stg_accounts') }}
),

{{ member_performance('organization', 'account_id') }},

final as (
    select
        figures.run_id,
        figures.model,
        figures.period,
        figures.period_start,
        figures.member as account_id,
        accounts.account_name,
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
    left join accounts on accounts.account_id = figures.member
)

select * from final

-- one row per model, period, period_start, account (or baseline, or unknown) and currency
{{ config(materialized='view') }}

with {{ touches_of('account_id', '(unknown)') }},

{{ credit_of('account_id', '(unknown)') }},

lead_accounts as not materialized (
    select
        credited.model,
        credited.became_lead_on,
        credited.channel,
        persons.account_id,
        credited.share
    from {{ ref('stg_lead_credit') }} as credited
    left join {{ ref('stg_lead_persons') }} as persons using (lead_id)
),

leads as not materialized (
    select model, became_lead_on, account_id as member, share
    from lead_accounts
    where account_id is not null and channel <> '(baseline)'
    union all
    select model, became_lead_on, '(unknown)', share
    from lead_accounts
    where account_id is null and channel <> '(baseline)'
    union all
    select model, became_lead_on, '(baseline)', share
    from lead_accounts
    where channel = '(baseline)'
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

-- one row per model, dimension, period, channel and campaign (or baseline) with leads credited
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    indexes=[{'columns': ['period', 'period_start', 'channel', 'campaign_id']}]
) }}

with lead_credit as (
    select * from {{ ref('stg_lead_credit') }}
),

days as (
    select
        became_lead_on as occurred_on,
        model,
        channel,
        campaign_id,
        sum(share) as attributed_leads
    from lead_credit
    group by became_lead_on, model, channel, campaign_id
),

{{ rolled_up('days', ['model'], ['attributed_leads']) }}

select * from rolled_up
{%- if is_incremental() %}
-- it is another with another run, or a restatement, after which all is made anew
where false
{%- endif %}

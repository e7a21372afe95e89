-- one row per model, dimension, period, channel, campaign (or baseline) and currency with credit
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook='{{ forget_changed_credit() }}',
    indexes=[{'columns': ['period', 'period_start']}]
) }}

with credit as (
    select * from {{ ref('int_credit') }}
),

placed as (
    select
        credit.model,
        dimensions.dimension,
        periods.period,
        periods.period_start,
        credit.channel,
        dimensions.dimension_campaign_id as campaign_id,
        credit.currency,
        credit.age_days,
        credit.share,
        credit.iacv,
        credit.kept,
        credit.earned
    from credit
    {{ periods('credit.occurred_on') }}
    {{ dimensions('credit.campaign_id') }}
),

changed as (
    select * from placed
    where {{ in_changed_credit('placed') }}
),

{{ credit_sums(
    'changed',
    ['model', 'dimension', 'period', 'period_start', 'channel', 'campaign_id', 'currency'],
) }}

select * from credit_sums

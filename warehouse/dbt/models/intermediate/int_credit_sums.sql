-- one row per model, dimension, period, channel, campaign (or baseline) and currency with credit
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook='{{ forget_changed_periods() }}',
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
    where {{ in_changed_periods() }}
),

{{ credit_sums(
    'placed',
    ['model', 'dimension', 'period', 'period_start', 'channel', 'campaign_id', 'currency'],
) }}

select * from credit_sums

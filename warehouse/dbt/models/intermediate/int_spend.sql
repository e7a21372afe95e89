-- one row per dimension, period, channel, campaign and currency with spend recorded
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ forget_changed_figures('anything') }}",
    indexes=[{'columns': ['period', 'period_start', 'channel', 'campaign_id']}]
) }}

with spend as (
    select * from {{ ref('stg_spend') }}
),

days as (
    select
        spend.spent_on as occurred_on,
        {{ reporting_currency('spend.currency') }} as currency,
        spend.channel,
        spend.campaign_id,
        sum({{ reporting_amount('spend.amount') }}) as spend
    from spend
    {{ rate_join('spend', 'spent_on') }}
    group by 1, 2, 3, 4
),

{{ rolled_up('days', ['currency'], ['spend']) }}

select * from rolled_up
{%- if is_incremental() %}
where {{ made_anew('anything') }}
{%- endif %}

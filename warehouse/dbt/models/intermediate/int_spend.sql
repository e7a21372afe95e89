-- one row per dimension, period, channel, campaign and currency with spend recorded
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

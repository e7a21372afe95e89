-- one row per dimension, period, channel, campaign and currency with spend recorded
with spent as (
    select * from {{ ref('int_spent') }}
),

days as (
    select
        spent_on as occurred_on,
        reporting_currency as currency,
        channel,
        campaign_id,
        sum(reporting_amount) as spend
    from spent
    group by spent_on, reporting_currency, channel, campaign_id
),

{{ rolled_up('days', ['currency'], ['spend']) }}

select * from rolled_up

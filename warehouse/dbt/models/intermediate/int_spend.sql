-- one row per dimension, period, channel, campaign and currency with spend recorded
with spend as (
    select * from {{ ref('stg_spend') }}
),

final as (
    select
        dimensions.dimension,
        periods.period,
        periods.period_start,
        spend.channel,
        dimensions.dimension_campaign_id as campaign_id,
        spend.currency,
        sum(spend.amount) as spend
    from spend
    {{ periods('spend.spent_on') }}
    {{ dimensions('spend.campaign_id') }}
    group by 1, 2, 3, 4, 5, 6
)

select * from final

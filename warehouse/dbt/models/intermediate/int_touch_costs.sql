-- one row per month, channel, campaign and currency: what a touch cost, whomever it touched
with spend as (
    select * from {{ ref('int_spend') }}
    where dimension = 'campaign' and period = 'month'
),

touch_counts as (
    select * from {{ ref('int_touch_counts') }}
    where dimension = 'campaign' and period = 'month'
),

final as (
    select
        spend.period_start as month,
        spend.channel,
        spend.campaign_id,
        spend.currency,
        spend.spend::double precision / touch_counts.touches as cost
    from spend
    inner join touch_counts using (period_start, channel, campaign_id)
)

select * from final

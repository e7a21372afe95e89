-- one row per lead that was touched: by which channel first, and when its account became a customer
with touches as (
    select * from {{ ref('int_touches') }}
    where lead_id is not null
),

first_moments as (
    select
        lead_id,
        min(occurred_at) as occurred_at
    from touches
    group by lead_id
),

first_touches as (
    select distinct on (lead_id)
        lead_id,
        touches.account_id,
        touches.channel,
        touches.occurred_at,
        touches.occurred_on
    from touches
    inner join first_moments using (lead_id, occurred_at)
    order by lead_id, touches.event_id
),

customers as (
    select
        account_id,
        min(occurred_at) as won_at
    from {{ ref('int_revenue') }}
    where kind = 'new'
    group by account_id
),

final as (
    select
        first_touches.lead_id,
        first_touches.channel,
        first_touches.occurred_on as lead_on,
        first_touches.occurred_at as lead_at,
        customers.won_at
    from first_touches
    left join customers using (account_id)
)

select * from final

-- one row per lead that was touched: by which channel first, and when its account became a customer
with first_touches as (
    select * from {{ ref('int_first_touches') }}
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

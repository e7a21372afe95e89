-- one row per lead that was touched: by which channel first, and when its account became a customer
with leads as (
    select distinct lead_id from {{ ref('int_touches') }}
    where lead_id is not null
),

-- looked up by lead: all touches are many times as many
first_touches as (
    select
        leads.lead_id,
        first_touch.*
    from leads
    cross join lateral (
        select account_id, channel, occurred_at, occurred_on
        from {{ ref('int_touches') }} as touches
        where touches.lead_id = leads.lead_id
        order by occurred_on, occurred_at, event_id
        limit 1
    ) as first_touch
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

-- one row per account and event: touch, opportunity change or revenue
-- A view: what is asked for is one account at a time, and a table of all would be as large again as
-- all touches.
{{ config(materialized='view') }}

with touches as (
    select * from {{ ref('int_touches') }}
),

opportunities as (
    select * from {{ ref('stg_opportunities') }}
),

revenue as (
    select * from {{ ref('int_revenue') }}
),

accounts as (
    select * from {{ ref('stg_accounts') }}
),

conversions as (
    select * from {{ ref('stg_conversions') }}
),

credit as (
    select * from {{ ref('int_credit') }}
    where model = 'bayesian' and touch_id is not null
),

-- amounts in several currencies don't add up: such a touch has a share, but no credited IACV
touch_credit as (
    select
        touch_id,
        sum(share) as credit_share,
        case when count(distinct currency) = 1 then sum(iacv) end as credited_iacv,
        case when count(distinct currency) = 1 then min(currency) end as currency
    from credit
    group by touch_id
),

events as (
    select
        touches.account_id,
        'touch' as event_type,
        1 as event_order,
        touches.event_id,
        touches.occurred_at,
        touches.day_only,
        touches.channel,
        touches.campaign_id,
        touches.touch_type as kind,
        null::numeric as iacv,
        touch_credit.credit_share,
        touch_credit.credited_iacv,
        touch_credit.currency,
        null::boolean as provisional
    from touches
    left join touch_credit on touch_credit.touch_id = touches.event_id
    where touches.account_id is not null
    union all
    select
        account_id, 'opportunity', 2, event_id, occurred_at, day_only,
        null, null, stage, null, null, null, null, null
    from opportunities
    union all
    select
        revenue.account_id, 'revenue', 3, revenue.event_id, revenue.occurred_at, revenue.day_only,
        null, null, revenue.kind, revenue.iacv, null, null, revenue.currency,
        conversions.provisional
    from revenue
    left join conversions on conversions.conversion_id = revenue.event_id
),

final as (
    select
        events.account_id,
        accounts.account_name,
        row_number() over (
            partition by events.account_id
            order by events.occurred_at, events.event_order, events.event_id
        ) as position,
        events.event_type,
        events.event_id,
        events.occurred_at,
        events.day_only,
        events.channel,
        events.campaign_id,
        events.kind,
        events.iacv,
        events.credit_share,
        events.credited_iacv,
        events.currency,
        events.provisional
    from events
    left join accounts using (account_id)
)

select * from final

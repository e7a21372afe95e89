-- one row per deal: how it stands, when it began, and since when it has been won or lost
with states as (
    select * from {{ ref('int_deal_states') }}
),

newest as (
    select distinct on (opportunity_id) *
    from states
    order by opportunity_id, position desc
),

begun as (
    select
        opportunity_id,
        min(occurred_at) as begun_at,
        min(occurred_on) as begun_on,
        max(lead_id) as lead_id
    from states
    group by opportunity_id
),

-- a deal that was reopened and won again was won the second time
changed as (
    select
        states.opportunity_id,
        max(states.position) as position
    from states
    inner join newest using (opportunity_id)
    where states.outcome <> newest.outcome
    group by states.opportunity_id
),

closed as (
    select
        states.opportunity_id,
        min(states.occurred_at) as closed_at,
        min(states.occurred_on) as closed_on
    from states
    left join changed using (opportunity_id)
    where states.position > coalesce(changed.position, 0)
    group by states.opportunity_id
),

final as (
    select
        newest.opportunity_id,
        newest.account_id,
        begun.lead_id,
        newest.outcome,
        newest.amount,
        newest.currency,
        begun.begun_at,
        begun.begun_on,
        case when newest.outcome <> 'open' then closed.closed_at end as closed_at,
        case when newest.outcome <> 'open' then closed.closed_on end as closed_on
    from newest
    inner join begun using (opportunity_id)
    inner join closed using (opportunity_id)
)

select * from final

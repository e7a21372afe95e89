-- name: credit_draws_of_items
-- Draws of the share of each conversion that a campaign has, and the part of it that each of its
-- creatives, or collateral, has: that of the mean shares of their touches.
with credited as (
    select
        c.conversion_id,
        c.channel,
        c.campaign_id,
        coalesce(
            case %(by)s when 'creative' then t.creative_id else t.collateral_id end, '(none)'
        ) as item,
        sum(c.share) as share
    from attribution.credit c
    left join stream.resolved_touches t on t.event_id = c.touch_id
    where c.run_id = %(run_id)s and c.model = 'bayesian' and c.channel <> '(baseline)'
    group by 1, 2, 3, 4
),
parts as (
    select
        *,
        share / nullif(sum(share) over (partition by conversion_id, channel, campaign_id), 0)
            as part
    from credited
),
dated as (
    select
        p.*,
        (v.occurred_at at time zone 'UTC')::date as day,
        v.iacv::float8 as iacv,
        d.shares
    from parts p
    join attribution.credit_draws d
        on d.run_id = %(run_id)s and d.conversion_id = p.conversion_id
        and d.channel = p.channel and d.campaign_id = p.campaign_id
    join attribution.conversions v
        on v.run_id = %(run_id)s and v.conversion_id = p.conversion_id
    where v.currency = %(currency)s
)
select
    case %(by)s when 'creative' then channel else item end,
    case %(by)s when 'creative' then campaign_id else '' end,
    case when %(period)s <> 'all' then date_trunc(%(period)s, day::timestamp)::date end,
    case %(by)s when 'creative' then item else '' end,
    iacv,
    coalesce(part, 0),
    array_send(shares)
from dated
where day between %(first_day)s and %(last_day)s

-- name: incremental_draws
-- Draws of the conversions and of the IACV that a day's touches of a campaign add, in PostgreSQL's
-- binary form of an array; by creative or collateral, also the parts of each.
with parts as (
    select touched_on, channel, campaign_id, item, sum(of_conversions) as of_conversions,
        sum(of_iacv) as of_iacv
    from (
        select *, case %(by)s when 'creative' then creative_id else collateral_id end as item
        from attribution.incremental_parts
        where run_id = %(run_id)s and %(by)s in ('creative', 'collateral')
    ) named
    group by 1, 2, 3, 4
),
items as (
    select touched_on, channel, campaign_id, array_agg(item) as items,
        array_agg(of_conversions::float8) as of_conversions, array_agg(of_iacv::float8) as of_iacv
    from parts
    group by 1, 2, 3
)
select
    d.channel,
    d.campaign_id,
    case when %(period)s <> 'all' then date_trunc(%(period)s, d.touched_on::timestamp)::date end,
    coalesce(i.items, array['(none)']),
    coalesce(i.of_conversions, array[1.0]::float8[]),
    coalesce(i.of_iacv, array[1.0]::float8[]),
    array_send(d.conversions),
    array_send(a.iacv)
from attribution.incremental_draws d
left join attribution.incremental_iacv_draws a
    on a.run_id = d.run_id and a.touched_on = d.touched_on and a.channel = d.channel
    and a.campaign_id = d.campaign_id and a.currency = %(currency)s
left join items i
    on i.touched_on = d.touched_on and i.channel = d.channel and i.campaign_id = d.campaign_id
where d.run_id = %(run_id)s and d.channel <> '(baseline)'
    and d.touched_on between %(first_day)s and %(last_day)s

-- name: relative_draws
-- Draws of effects relative to the campaign's mean, of campaigns that have several creatives.
select channel, campaign_id, item_id, array_send(effect)
from attribution.relative_draws
where run_id = %(run_id)s and dimension = %(by)s
order by channel, campaign_id, item_id

-- name: credit_draws_of_items
-- Draws of the share of each conversion that a campaign has, and the part of it that each of its
-- creatives, collateral or leads has: that of the mean shares of their touches.
with conversions as (
    {conversions}
),
leads as (
    {leads}
),
credited as (
    select
        c.conversion_id,
        c.channel,
        c.campaign_id,
        case %(by)s
            when 'creative' then coalesce(t.creative_id, '(none)')
            when 'lead' then coalesce(t.lead_id, l.lead_id, '(unknown)')
            else coalesce(t.collateral_id, '(none)')
        end as item,
        sum(c.share) as share
    from attribution.credit c
    left join stream.resolved_touches t on t.event_id = c.touch_id
    left join leads l on %(by)s = 'lead' and l.person_id = t.person_id
    where c.run_id = %(run_id)s and c.model = 'bayesian' and c.channel <> '(baseline)'
    group by 1, 2, 3, 4
),
parts as (
    select
        *,
        share / nullif(sum(share) over (partition by conversion_id, channel, campaign_id), 0)
            as part
    from credited
)
select
    case %(by)s when 'creative' then p.channel else p.item end,
    case %(by)s when 'creative' then p.campaign_id else '' end,
    stream.period_start(%(period)s, v.day, %(week_start)s, %(fiscal_year_start)s),
    case %(by)s when 'creative' then p.item else '' end,
    v.iacv,
    v.kept,
    v.earned,
    coalesce(p.part, 0),
    array_send(d.shares)
from parts p
join attribution.credit_draws d
    on d.run_id = %(run_id)s and d.conversion_id = p.conversion_id
    and d.channel = p.channel and d.campaign_id = p.campaign_id
join conversions v on v.conversion_id = p.conversion_id
where v.day between %(first_day)s and %(last_day)s

-- name: incremental_draws
-- Draws of the conversions that a day's touches of a campaign add, in PostgreSQL's binary form of an
-- array, and in rows of their own of the IACV in each currency, with the rate to the one that is
-- asked for; by creative or collateral, also the parts of each.
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
),
added as (
    select touched_on, channel, campaign_id, 1.0::float8 as rate, conversions, null::real[] as iacv
    from attribution.incremental_draws
    where run_id = %(run_id)s
    union all
    select touched_on, channel, campaign_id,
        stream.in_currency(1, currency, %(currency)s, touched_on)::float8, null, iacv
    from attribution.incremental_iacv_draws
    where run_id = %(run_id)s
)
select
    d.channel,
    d.campaign_id,
    stream.period_start(%(period)s, d.touched_on, %(week_start)s, %(fiscal_year_start)s),
    coalesce(i.items, array['(none)']),
    coalesce(i.of_conversions, array[1.0]::float8[]),
    coalesce(i.of_iacv, array[1.0]::float8[]),
    d.rate,
    array_send(d.conversions),
    array_send(d.iacv)
from added d
left join items i
    on i.touched_on = d.touched_on and i.channel = d.channel and i.campaign_id = d.campaign_id
where d.channel <> '(baseline)' and d.rate is not null
    and d.touched_on between %(first_day)s and %(last_day)s

-- name: relative_draws
-- Draws of effects relative to the campaign's mean, of campaigns that have several creatives.
select channel, campaign_id, item_id, array_send(effect)
from attribution.relative_draws
where run_id = %(run_id)s and dimension = %(by)s
order by channel, campaign_id, item_id

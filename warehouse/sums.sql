-- name: begin
-- What the marts are made of from now on; retention stays what it was until it is estimated again.
insert into warehouse.transforms (began_at, as_of, run_id, seen, made_of, credited_by, is_built)
values (
    %(now)s,
    (%(now)s::timestamptz at time zone 'UTC')::date,
    nullif(%(run_id)s, ''),
    pg_current_snapshot(),
    %(made_of)s,
    %(credited_by)s,
    false
)
on conflict (is_only) do update set
    began_at = excluded.began_at, as_of = excluded.as_of, run_id = excluded.run_id,
    seen = excluded.seen, made_of = excluded.made_of, credited_by = excluded.credited_by,
    is_built = false

-- name: diagnostics
-- What the run says of itself.
select diagnostics from attribution.runs where run_id = %(run_id)s

-- name: bound
-- Channels whose credit is an upper bound.
insert into warehouse.bounded_channels select unnest(%(channels)s::text[])

-- name: retention
-- Customers lost, and the years of whole terms in which they could be, up to the run's end of data.
select coalesce(sum(lost), 0)::float8, coalesce(sum(term_years), 0)::float8
from attribution.runs
cross join lateral stream.customer_years(coalesce(data_until, finished_at))
where run_id = %(run_id)s

-- name: keep_retention
-- How long customers stay, as it was estimated.
update warehouse.transforms
set retention_years = %(years)s, retention_low = %(low)s, retention_high = %(high)s

-- name: clear
-- Forget the sums of before.
update warehouse.transforms
set retention_years = null, retention_low = null, retention_high = null;
truncate warehouse.bounded_channels, warehouse.credit_intervals

-- name: value_conversions
-- The run's conversions, in the reporting currency where they have a rate.
create temporary table conversions_now on commit drop as
select
    conversion_id, account_id, occurred_at, day_only, occurred_on,
    coalesce(in_wanted, iacv) as iacv,
    case when in_wanted is null then currency else %(currency)s end as currency,
    margin * coalesce(in_wanted, iacv)::float8 * coalesce(retention_years, 0) as kept,
    margin * coalesce(in_wanted, iacv)::float8 * (retention_years is null)::integer as earned,
    provisional
from (
    select
        v.*,
        d.occurred_on,
        stream.in_currency(v.iacv, v.currency, %(currency)s, d.occurred_on) as in_wanted,
        coalesce(stream.margin(r.product, d.occurred_on), %(margin)s::float8) as margin,
        stream.retention_years(r.product, d.occurred_on) as retention_years
    from attribution.conversions v
    cross join lateral (select (v.occurred_at at time zone 'UTC')::date as occurred_on) d
    left join stream.revenue r on r.event_id = v.conversion_id
    where v.run_id = %(run_id)s
) valued

-- name: keep_conversions
-- They are what the marts are made of.
truncate warehouse.conversions;
insert into warehouse.conversions select * from conversions_now

-- name: look_up
-- What is looked up is in memory for the most part.
set local work_mem = '256MB';
set local random_page_cost = 1.1;
set local jit = off

-- name: campaigns
-- Whose each share of a conversion is, in the order in which sums are made: campaigns and their channels.
select d.channel, d.campaign_id, '' as account_id, '' as lead_id, '' as collateral_id,
    d.conversion_id, d.channel as of_channel, d.campaign_id as of_campaign, 1.0::float8 as part
from attribution.credit_draws d
join warehouse.conversions v using (conversion_id)
where d.run_id = %(run_id)s
order by d.channel collate "C", d.campaign_id collate "C", d.conversion_id collate "C"

-- name: organizations
-- The same of accounts; what no campaign gets is not theirs.
select '' as channel, '' as campaign_id, v.account_id, '' as lead_id, '' as collateral_id,
    d.conversion_id, d.channel as of_channel, d.campaign_id as of_campaign, 1.0::float8 as part
from attribution.credit_draws d
join warehouse.conversions v using (conversion_id)
where d.run_id = %(run_id)s and d.channel <> '(baseline)'
order by v.account_id collate "C", d.conversion_id collate "C"

-- name: members
-- The same of leads or collateral: of a campaign's share each has the part that its touches have of
-- the mean.
with leads as (
    select person_id, min(lead_id) as lead_id
    from stream.known_leads
    group by person_id
),
credited as (
    select
        c.conversion_id,
        c.channel,
        c.campaign_id,
        case %(member)s
            when 'lead' then coalesce(t.lead_id, l.lead_id)
            else coalesce(t.collateral_id, '(none)')
        end as member,
        sum(c.share) as share
    from attribution.credit c
    join stream.resolved_touches t on t.event_id = c.touch_id
    left join leads l using (person_id)
    where c.run_id = %(run_id)s and c.model = 'bayesian'
    group by 1, 2, 3, 4
),
parts as (
    select
        *,
        share / nullif(sum(share) over (partition by conversion_id, channel, campaign_id), 0)
            as part
    from credited
)
select '' as channel, '' as campaign_id, '' as account_id,
    case %(member)s when 'lead' then member else '' end as lead_id,
    case %(member)s when 'lead' then '' else member end as collateral_id,
    conversion_id, channel as of_channel, campaign_id as of_campaign, coalesce(part, 0) as part
from parts
where member is not null
order by member collate "C", conversion_id collate "C"

-- name: shares
-- Draws of what is whose, looked up in the order of what is: a sort of draws would go to disk.
select k.channel, k.campaign_id, k.account_id, k.lead_id, k.collateral_id,
    v.conversion_id, v.occurred_on, v.currency, v.iacv::float8, v.kept, v.earned, k.part, d.shares
from ({keys} offset 0) k
join warehouse.conversions v on v.conversion_id = k.conversion_id
cross join lateral (
    select array_send(d.shares) as shares
    from attribution.credit_draws d
    where d.run_id = %(run_id)s and d.conversion_id = k.conversion_id
        and d.channel = k.of_channel and d.campaign_id = k.of_campaign
    offset 0
) d

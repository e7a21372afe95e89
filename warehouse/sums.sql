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
truncate warehouse.bounded_channels, warehouse.credit_intervals, warehouse.draw_sums

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

-- name: chosen
-- Conversions that are summed, one pass after the other.
create temporary table chosen (conversion_id text primary key) on commit drop

-- name: clear_chosen
-- None yet.
truncate chosen

-- name: analyze_chosen
-- How many they are.
analyze chosen

-- name: choose_all
-- All of them.
insert into chosen select conversion_id from warehouse.conversions

-- name: choose_new
-- Those that have come.
insert into chosen select conversion_id from warehouse.conversions
where conversion_id = any(%(new)s)

-- name: choose_near
-- All that share a quarter, month, week or day with one that has come.
with periods (period) as (values ('day'), ('week'), ('month'), ('quarter')),
starts as (
    select distinct
        period, stream.period_start(period, occurred_on, %(week_start)s, %(fiscal_year_start)s) as start
    from warehouse.conversions
    cross join periods
    where conversion_id = any(%(new)s)
),
days as (
    select distinct occurred_on from warehouse.conversions
)
insert into chosen select conversion_id from warehouse.conversions
where occurred_on in (
    select occurred_on
    from days
    join starts
        on start = stream.period_start(period, occurred_on, %(week_start)s, %(fiscal_year_start)s)
)

-- name: days_of_new
-- Days on which conversions have come.
select distinct occurred_on from warehouse.conversions where conversion_id = any(%(new)s)

-- name: choose_accounts
-- All of the accounts of those that have come.
insert into chosen select conversion_id from warehouse.conversions
where account_id in (
    select account_id from warehouse.conversions where conversion_id = any(%(new)s)
)

-- name: choose_leads
-- All that touches of some leads are credited with, by what they are called or the persons they are.
insert into chosen select conversion_id from warehouse.conversions
where conversion_id in (
    select c.conversion_id
    from warehouse.identifiers l
    join warehouse.identifiers n using (person_id)
    join stream.stored_touches t on t.identifier_id = n.identifier_id
    join attribution.credit c on c.touch_id = t.event_id
    where l.own_lead_id = any(%(leads)s) and c.run_id = %(run_id)s and c.model = 'bayesian'
    union
    select c.conversion_id
    from stream.stored_touches t
    join attribution.credit c on c.touch_id = t.event_id
    where t.lead_id = any(%(leads)s) and c.run_id = %(run_id)s and c.model = 'bayesian'
)

-- name: forget_leads
-- Take out what is summed anew of leads.
delete from warehouse.credit_intervals where dimension = 'lead' and lead_id = any(%(leads)s)

-- name: campaigns
-- Whose each share of a conversion is, in the order in which sums are made: campaigns and their channels.
select d.channel, d.campaign_id, '' as account_id, '' as lead_id, '' as collateral_id,
    v.conversion_id, v.occurred_on, v.currency, v.iacv::float8, v.kept, v.earned, 1.0::float8 as part,
    d.channel as of_channel, d.campaign_id as of_campaign
from attribution.credit_draws d
join chosen using (conversion_id)
join warehouse.conversions v using (conversion_id)
where d.run_id = %(run_id)s
order by d.channel collate "C", d.campaign_id collate "C", d.conversion_id collate "C"

-- name: organizations
-- The same of accounts; what no campaign gets is not theirs.
select '' as channel, '' as campaign_id, v.account_id, '' as lead_id, '' as collateral_id,
    v.conversion_id, v.occurred_on, v.currency, v.iacv::float8, v.kept, v.earned, 1.0::float8 as part,
    d.channel as of_channel, d.campaign_id as of_campaign
from attribution.credit_draws d
join chosen using (conversion_id)
join warehouse.conversions v using (conversion_id)
where d.run_id = %(run_id)s and d.channel <> '(baseline)'
order by v.account_id collate "C", d.conversion_id collate "C"

-- name: members
-- The same of leads or collateral: of a campaign's share each has the part that its touches have of
-- the mean.
with credited as (
    select
        c.conversion_id,
        c.channel,
        c.campaign_id,
        case %(member)s
            when 'lead' then coalesce(t.lead_id, n.lead_id)
            else coalesce(t.collateral_id, '(none)')
        end as member,
        sum(c.share) as share
    from attribution.credit c
    join chosen using (conversion_id)
    left join stream.stored_touches t on t.event_id = c.touch_id  -- one may be erased
    left join warehouse.identifiers n using (identifier_id)
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
select '' as channel, '' as campaign_id, '' as account_id,
    case %(member)s when 'lead' then member else '' end as lead_id,
    case %(member)s when 'lead' then '' else member end as collateral_id,
    v.conversion_id, v.occurred_on, v.currency, v.iacv::float8, v.kept, v.earned, coalesce(part, 0) as part,
    channel as of_channel, campaign_id as of_campaign
from parts
join warehouse.conversions v using (conversion_id)
where member is not null
    and (%(member)s <> 'lead' or %(leads)s::text[] is null or member = any(%(leads)s))
order by member collate "C", conversion_id collate "C"

-- name: shares
-- Draws of what is whose, looked up in the order of what is: a sort of draws would go to disk.
select k.channel, k.campaign_id, k.account_id, k.lead_id, k.collateral_id,
    k.conversion_id, k.occurred_on, k.currency, k.iacv, k.kept, k.earned, k.part, d.shares
from ({keys} offset 0) k
cross join lateral (
    select array_send(d.shares) as shares
    from attribution.credit_draws d
    where d.run_id = %(run_id)s and d.conversion_id = k.conversion_id
        and d.channel = k.of_channel and d.campaign_id = k.of_campaign
    offset 0
) d

-- name: keep_sums
-- Sums over all time, for the next deal to be added to.
insert into warehouse.draw_sums values %s
on conflict (dimension, channel, campaign_id, collateral_id, currency) do update set
    shares = excluded.shares, iacv = excluded.iacv, kept = excluded.kept, earned = excluded.earned

-- name: kept_sums
-- Those of before.
select dimension, channel, campaign_id, collateral_id, currency,
    array_send(shares), array_send(iacv), array_send(kept), array_send(earned)
from warehouse.draw_sums

-- name: new_intervals
-- Rows that come, or take the place of others.
create temporary table new_intervals (like warehouse.credit_intervals) on commit drop

-- name: copy_all
-- Rows of all there is, as CSV.
copy warehouse.credit_intervals from stdin with (format csv)

-- name: copy_new
-- Rows of what has changed, as CSV.
copy new_intervals from stdin with (format csv)

-- name: put_intervals
-- They do.
insert into warehouse.credit_intervals
select * from new_intervals
on conflict (
    dimension, channel, campaign_id, account_id, lead_id, collateral_id, period, period_start, currency
) do update set
    conversions_low = excluded.conversions_low, conversions_high = excluded.conversions_high,
    iacv_low = excluded.iacv_low, iacv_high = excluded.iacv_high,
    value_low = excluded.value_low, value_high = excluded.value_high,
    ltv_low = excluded.ltv_low, ltv_high = excluded.ltv_high

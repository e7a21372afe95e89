-- name: made_before
-- What the marts were made of last, if all of them were, and nobody was forgotten since.
select seen::text, made_of, credited_by
from warehouse.transforms
where is_built and not exists (select from stream.erasures where erased_at >= began_at)

-- name: built
-- All marts are made of it.
update warehouse.transforms set is_built = true

-- name: are_there
-- Whether all the tables are there that are brought up to date rather than made anew.
select count(to_regclass(name)) = cardinality(%(names)s::text[])
from unnest(%(names)s::text[]) as name

-- name: made_of
-- What figures of all periods depend on: exchange rates, what is known of products and campaigns, how
-- long customers stay, and the currencies amounts are told in, each of which every row is told in.
select jsonb_build_object(
    'rates', (select coalesce(sum(hashtext(r::text)), 0) from stream.exchange_rates r),
    'products', (select coalesce(sum(hashtext(p::text)), 0) from stream.products p),
    'retention', (
        select to_jsonb(array[sum(y.lost), sum(y.term_years)])
        from attribution.published_run r
        cross join lateral stream.customer_years(coalesce(r.data_until, r.finished_at)) y
    ),
    'campaigns', (select coalesce(sum(hashtext(c::text)), 0) from stream.campaigns c),
    'currencies', (
        select coalesce(jsonb_agg(distinct case
            when stream.in_currency(1, currency, %(currency)s, day) is null then currency
            else %(currency)s::text
        end), '[]')
        from (
            select currency, (occurred_at at time zone 'UTC')::date as day from stream.revenue
            union
            select currency, date from stream.spend
        ) used
    ),
    'has_credit', exists (
        select from attribution.conversions join attribution.published_run using (run_id)
    )
)

-- name: credited_by
-- The run whose credit it is, and when that was restated last.
select run_id || coalesce(' ' || (
    select max(restated_at)::text from attribution.restatements r where r.run_id = p.run_id
), '')
from attribution.published_run p

-- name: changed_conversions
-- Conversions that are not what they were, as they were and as they are.
create temporary table changed_conversions on commit drop as
select false as is_now, * from (
    select * from warehouse.conversions except select * from conversions_now
) gone
union all
select true, * from (
    select * from conversions_now except select * from warehouse.conversions
) come;
insert into warehouse.changed_conversions
select distinct account_id, conversion_id from changed_conversions;
analyze warehouse.changed_conversions

-- name: changed_spend
-- Spend that is not what it was, as it was and as it is.
create temporary table changed_spend on commit drop as
select false as is_now, * from (
    select * from warehouse.spend
    except
    select event_id, date, channel, campaign_id, amount, currency from stream.spend
) gone
union all
select true, * from (
    select event_id, date, channel, campaign_id, amount, currency from stream.spend
    except
    select * from warehouse.spend
) come

-- name: clear
-- Forget what had changed the last time.
truncate warehouse.changed_touches, warehouse.changed_figures, warehouse.changed_conversions

-- name: identifiers_now
-- Which lead each person is, and whose each identifier, by all that is known now; and which are others
-- than they were for the marts.
create temporary table known_leads_now on commit drop as
select identifier_id, lead_id, person_id from stream.known_leads;
create temporary table identifiers_now on commit drop as
select
    a.identifier_id, a.account_id, a.person_id, p.lead_id, l.lead_id as own_lead_id
from stream.identifier_accounts a
left join (
    select person_id, min(lead_id) as lead_id from known_leads_now group by person_id
) p using (person_id)
left join known_leads_now l using (identifier_id);
analyze identifiers_now;
create temporary table changed_identifiers on commit drop as
select n.identifier_id
from identifiers_now n
left join warehouse.identifiers w using (identifier_id)
where n is distinct from w
union
select w.identifier_id
from warehouse.identifiers w
where not exists (select from identifiers_now n where n.identifier_id = w.identifier_id);
analyze changed_identifiers

-- name: changed_touches
-- Touches that are new, or of identifiers that are another's now, and what they were for the marts;
-- in steps, so that it is known how few they are.
create temporary table changed_events on commit drop as
select event_id
from stream.stored_touches
where stream.is_new(stored_in, %(seen)s::pg_snapshot)
union
select event_id
from stream.stored_touches
join changed_identifiers using (identifier_id);
analyze changed_events;
insert into warehouse.changed_touches (
    event_id, occurred_on, channel, campaign_id, touch_type, collateral_id, person_id, account_id, lead_id
)
select
    event_id, w.occurred_on, w.channel, w.campaign_id, w.touch_type, w.collateral_id, w.person_id,
    w.account_id, w.lead_id
from changed_events
left join intermediate.int_touches w using (event_id);
analyze warehouse.changed_touches

-- name: keep_identifiers
-- Remember them for the next time.
delete from warehouse.identifiers where identifier_id in (select identifier_id from changed_identifiers);
insert into warehouse.identifiers
select n.* from identifiers_now n join changed_identifiers using (identifier_id)

-- name: keep_spend
-- The same of spend.
delete from warehouse.spend where event_id in (select event_id from changed_spend);
insert into warehouse.spend
select event_id, date, channel, campaign_id, amount, currency from changed_spend where is_now

-- name: changed_figures
-- Campaigns and channels, and periods of the days on which something of them is another than it was:
-- touches, spend, credit, and of the baseline revenue. A conversion that is gone, or another, may have
-- been any campaign's.
with days as (
    select occurred_on as day, channel, campaign_id, false as of_credit
    from warehouse.changed_touches
    where occurred_on is not null
    union
    select (t.occurred_at at time zone 'UTC')::date, t.channel, t.campaign_id, false
    from stream.stored_touches t
    join warehouse.changed_touches using (event_id)
    union
    select date, channel, campaign_id, false
    from changed_spend
    union
    select (occurred_at at time zone 'UTC')::date, '(baseline)', '(baseline)', false
    from stream.revenue
    where stream.is_new(stored_in, %(seen)s::pg_snapshot)
    union
    select v.occurred_on, c.channel, c.campaign_id, true
    from changed_conversions v
    join attribution.credit c on c.run_id = %(run_id)s and c.conversion_id = v.conversion_id
    where v.is_now
    union
    select v.occurred_on, s.channel, s.campaign_id, true
    from (select distinct occurred_on from changed_conversions where not is_now) v
    cross join (
        select distinct channel, campaign_id
        from intermediate.int_credit_sums
        where dimension = 'campaign' and period = 'all'
    ) s
    union
    select occurred_on, '(baseline)', '(baseline)', true
    from changed_conversions
)
insert into warehouse.changed_figures
    (dimension, period, period_start, channel, campaign_id, of_credit)
select
    dimension,
    period,
    coalesce(stream.period_start(period, day, %(week_start)s, %(fiscal_year_start)s), '-infinity'),
    channel,
    case dimension when 'campaign' then campaign_id else '' end,
    bool_or(of_credit)
from days
cross join (values ('campaign'), ('channel')) as of_dimension (dimension)
cross join (values ('day'), ('week'), ('month'), ('quarter'), ('all')) as of_period (period)
group by 1, 2, 3, 4, 5;
analyze warehouse.changed_figures

-- name: credit_changed
-- Whether a conversion is not what it was, those that are new or others, and leads: of whom touches that
-- were credited are somebody else's, or were; and whom those conversions credit.
with credited as (
    select c.touch_id, false as is_new
    from attribution.credit c
    join warehouse.changed_touches t on t.event_id = c.touch_id
    where c.run_id = %(run_id)s and c.model = 'bayesian'
    union
    select c.touch_id, true
    from attribution.credit c
    join warehouse.changed_conversions v using (conversion_id)
    where c.run_id = %(run_id)s and c.model = 'bayesian'
),
leads as (
    select is_new, coalesce(t.lead_id, n.lead_id) as lead_id
    from credited
    join stream.stored_touches t on t.event_id = credited.touch_id
    left join identifiers_now n using (identifier_id)
    union
    select is_new, t.lead_id
    from credited
    join warehouse.changed_touches t on t.event_id = credited.touch_id
    where not is_new
)
select
    exists (select from changed_conversions where not is_now),
    array(select conversion_id from changed_conversions where is_now)::text[],
    array(select lead_id from leads where not is_new and lead_id is not null)::text[],
    array(select lead_id from leads where is_new and lead_id is not null)::text[]

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
-- long customers stay, and the currencies there are, each of which every row is told in.
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
        select coalesce(jsonb_agg(distinct currency), '[]')
        from (select currency from stream.revenue union select currency from stream.spend) used
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
(select * from warehouse.conversions except select * from conversions_now)
union all
(select * from conversions_now except select * from warehouse.conversions)

-- name: clear
-- Forget what had changed the last time.
truncate warehouse.changed_touches, warehouse.changed_periods

-- name: identifiers_now
-- Whose each identifier is by all that is known now.
create temporary table identifiers_now on commit drop as
with leads as (
    select person_id, min(lead_id) as lead_id
    from stream.known_leads
    group by person_id
)
select a.identifier_id, a.account_id, a.person_id, l.lead_id
from stream.identifier_accounts a
left join leads l using (person_id);
analyze identifiers_now

-- name: changed_touches
-- Touches that are new, or of identifiers that are another's now.
insert into warehouse.changed_touches
select event_id
from stream.stored_touches
where stream.is_new(stored_in, %(seen)s::pg_snapshot)
union
select t.event_id
from stream.stored_touches t
join (
    select n.identifier_id
    from identifiers_now n
    left join warehouse.identifiers w using (identifier_id)
    where (n.account_id, n.person_id, n.lead_id)
        is distinct from (w.account_id, w.person_id, w.lead_id)
    union
    select w.identifier_id
    from warehouse.identifiers w
    where not exists (select from identifiers_now n where n.identifier_id = w.identifier_id)
) changed using (identifier_id);
analyze warehouse.changed_touches

-- name: keep_identifiers
-- Remember them for the next time.
delete from warehouse.identifiers w
where not exists (
    select from identifiers_now n
    where n.identifier_id = w.identifier_id
        and (n.account_id, n.person_id, n.lead_id)
            is not distinct from (w.account_id, w.person_id, w.lead_id)
);
insert into warehouse.identifiers
select * from identifiers_now
on conflict (identifier_id) do nothing

-- name: changed_periods
-- Periods of the days on which something is another than it was: touches, spend, revenue, credit.
with days as (
    select (occurred_at at time zone 'UTC')::date as day
    from stream.stored_touches
    join warehouse.changed_touches using (event_id)
    union
    select spent_on from (
        (
            select event_id, spent_on, channel, campaign_id, amount, currency
            from intermediate.int_spent
            except
            select event_id, date, channel, campaign_id, amount, currency from stream.spend
        )
        union all
        (
            select event_id, date, channel, campaign_id, amount, currency from stream.spend
            except
            select event_id, spent_on, channel, campaign_id, amount, currency
            from intermediate.int_spent
        )
    ) differing
    union
    select (occurred_at at time zone 'UTC')::date
    from stream.revenue
    where stream.is_new(stored_in, %(seen)s::pg_snapshot)
    union
    select occurred_on from changed_conversions
)
insert into warehouse.changed_periods
select distinct
    period,
    coalesce(stream.period_start(period, day, %(week_start)s, %(fiscal_year_start)s), '-infinity')
from days
cross join (values ('day'), ('week'), ('month'), ('quarter'), ('all')) as of_period (period)

-- name: credit_changed
-- Whether conversions are others, or touches that were credited are another's.
select
    exists (select from changed_conversions)
    or exists (
        select
        from attribution.credit c
        join attribution.published_run using (run_id)
        join warehouse.changed_touches t on t.event_id = c.touch_id
        where c.model = 'bayesian'
    )

-- name: published
-- The run that reports read, what it saw, and how its credit was made.
select
    run_id,
    seen::text,
    seen_at,
    (settings->>'lookback_days')::double precision,
    coalesce((settings->>'rules_only')::boolean, false),
    -- runs that do not say had these
    coalesce(settings->'rules', '["first_touch", "last_touch", "linear", "time_decay", '
        '"position_based"]'),
    exists (select from attribution.posterior_draws d where d.run_id = runs.run_id)
from attribution.runs
where run_id = (select run_id from attribution.published_run)

-- name: changed_touches
-- With this begin the two queries that follow: touches that came since a snapshot, and those of
-- identifiers whose person or account may be another since, by an event or by an operator.
with people as (
    select id as identifier_id
    from stream.identity_changed_since(%(seen)s, array(
        select unnest(array[lower_id, higher_id])
        from stream.identity_decisions
        where decided_at > %(seen_at)s - interval '1 hour' -- a transaction's time is its beginning
    )) as changed (id)
),
changed as (
    select event_id, true as is_new
    from stream.touches
    where stream.is_new(stored_in, %(seen)s)
    union
    select event_id, stream.is_new(stored_in, %(seen)s)
    from people
    join stream.touches using (identifier_id)
),
changed_touch as materialized (
    select t.event_id, t.account_id, t.person_id, t.occurred_at, t.day_only,
        (t.occurred_at at time zone 'UTC')::date as day, t.channel, t.campaign_id, changed.is_new
    from changed
    join stream.resolved_touches t using (event_id)
)

-- name: stale_conversions
-- Conversions whose credit is not what it would be now, each with every reason. One model has
-- each touch that counts, so its rows say which touches had a part.
, conversion as (
    select conversion_id, account_id, occurred_at, day_only, segment, known_until, seen,
        (occurred_at at time zone 'UTC')::date as day
    from attribution.conversions
    where run_id = %(run_id)s
),
counted as (
    select c.conversion_id, c.account_id, t.*
    from (select event_id, account_id as owner, occurred_at, day_only, day, channel, campaign_id,
              is_new from changed_touch) t
    join conversion c on c.account_id = t.owner
    where case when c.day_only or t.day_only then t.day <= c.day
               else t.occurred_at <= c.occurred_at end
      and (%(lookback_days)s::double precision is null
           or case when c.day_only or t.day_only then c.day - t.day
              else extract(epoch from c.occurred_at - t.occurred_at) / 86400 end
              <= %(lookback_days)s)
),
missing as (
    select conversion_id, account_id, case when is_new then 'late touch' else 'identity' end as why
    from counted t
    where not exists (
        select from attribution.credit k
        where k.run_id = %(run_id)s and k.model = %(model)s
          and k.conversion_id = t.conversion_id and k.touch_id = t.event_id
          and k.channel = t.channel and k.campaign_id = t.campaign_id
          and k.touched_at = t.occurred_at
    )
),
another_account as (
    select c.conversion_id, c.account_id, 'identity' as why
    from changed_touch t
    join attribution.credit k
        on k.run_id = %(run_id)s and k.model = %(model)s and k.touch_id = t.event_id
        and k.model in ('bayesian', 'linear')
    join conversion c using (conversion_id)
    where t.account_id is distinct from c.account_id
),
lacking as materialized (
    select distinct conversion_id
    from attribution.credit k
    where run_id = %(run_id)s and model = %(model)s and touch_id is not null
      and not exists (select from stream.touches t where t.event_id = k.touch_id)
),
forgotten as (
    select conversion_id, account_id, 'forgotten' as why
    from conversion
    join lacking using (conversion_id)
    union all
    select conversion_id, account_id, 'forgotten'
    from conversion
    where not exists (select from stream.revenue r where r.event_id = conversion_id)
),
new_revenue as (
    select event_id, account_id, stored_in, (occurred_at at time zone 'UTC')::date as day,
        kind in ('new', 'expansion') and iacv > 0 as converts
    from stream.revenue
    where stream.is_new(stored_in, %(seen)s)
),
sold as (
    select event_id as conversion_id, account_id, 'new conversion' as why
    from new_revenue r
    where converts and not exists (select from conversion where conversion_id = r.event_id)
    union all
    select c.conversion_id, c.account_id, 'new revenue'
    from conversion c
    join new_revenue r using (account_id)
    where r.day <= c.day and r.event_id <> c.conversion_id
      and (c.seen is null or stream.is_new(r.stored_in, c.seen))
),
segments as (
    select account_id, coalesce(
        (array_agg(segment order by occurred_at desc, event_id desc)
            filter (where segment is not null))[1], 'unknown') as segment
    from stream.accounts
    where account_id in (
        select account_id from stream.accounts where stream.is_new(stored_in, %(seen)s)
    )
    group by account_id
),
moved as (
    select c.conversion_id, c.account_id, 'segment' as why
    from conversion c
    join segments using (account_id)
    where c.segment <> segments.segment
),
known as (
    select c.conversion_id, c.account_id, 'lead' as why
    from conversion c
    left join attribution.known_accounts k
        on k.account_id = c.account_id
        and case when c.day_only then (k.known_at at time zone 'UTC')::date <= c.day
            else k.known_at <= c.occurred_at end
    where %(w_shaped)s and c.known_until is distinct from k.known_until
),
asked_for as (
    select r.event_id as conversion_id, r.account_id, 'asked for' as why
    from stream.revenue r
    where r.account_id = any(%(accounts)s) and r.kind in ('new', 'expansion') and r.iacv > 0
)
select conversion_id, account_id, why from missing
union select * from another_account
union select * from forgotten
union select * from sold
union select * from moved
union select * from known
union select * from asked_for

-- name: doubtful_leads
-- Leads whose credit may not be what it would be now: those whose own account may be another,
-- those of changed touches' people and accounts, of now and before, those that new events name,
-- those that are gone, and all after an erasure.
, doubtful_account as materialized (
    select account_id from changed_touch
    union
    select r.account_id
    from people
    join stream.identifier_accounts r using (identifier_id)
    union
    -- what another claim outweighs now may have counted before
    select c.account_id
    from people
    join stream.identifier_persons p using (identifier_id)
    join stream.account_claims c using (person_id)
    union
    select c.account_id
    from changed_touch t
    join attribution.credit k
        on k.run_id = %(run_id)s and k.model = %(model)s and k.touch_id = t.event_id
        and k.model in ('bayesian', 'linear')
    join attribution.conversions c using (run_id, conversion_id)
)
select i.value
from stream.identifiers i
join stream.identifier_accounts r on r.identifier_id = i.id
where i.kind = 'lead_id'
  and (i.id in (select identifier_id from people)
       or r.person_id in (select person_id from changed_touch)
       or r.account_id in (select account_id from doubtful_account)
       or r.account_id = any(%(accounts)s))
union
select lead_id from stream.touches
where stream.is_new(stored_in, %(seen)s) and lead_id is not null
union
select lead_id from stream.identities
where stream.is_new(stored_in, %(seen)s) and lead_id is not null
union
select lead_id
from attribution.lead_credit k
where k.run_id = %(run_id)s
  and (
    -- sums do not show that a touch is gone
    %(every_lead)s or exists (
        select from attribution.credit
        where run_id = %(run_id)s and model = %(model)s and model in ('bayesian', 'linear')
          and touch_id = 'erased' -- what an erasure writes in its place
    )
    or (
      not exists (select from stream.touches t where t.lead_id = k.lead_id)
      and not exists (select from stream.identities t where t.lead_id = k.lead_id)
    )
  )

-- name: lead_credit_of
-- What is stored of some leads.
select lead_id, model, channel, campaign_id, became_lead_at, share
from attribution.lead_credit
where run_id = %(run_id)s and lead_id = any(%(leads)s)

-- name: delete_leads
-- The rows of some leads.
delete from attribution.lead_credit where run_id = %(run_id)s and lead_id = any(%(leads)s)

-- name: fitted_conversions
-- Those of some conversions that the fit saw.
select conversion_id
from attribution.conversions
where run_id = %(run_id)s and conversion_id = any(%(conversions)s) and not provisional

-- name: delete_conversions
-- All rows of some conversions.
with credit as (
    delete from attribution.credit
    where run_id = %(run_id)s and model = any(%(models)s) and conversion_id = any(%(conversions)s)
),
draws as (
    delete from attribution.credit_draws
    where run_id = %(run_id)s and conversion_id = any(%(conversions)s)
)
delete from attribution.conversions
where run_id = %(run_id)s and conversion_id = any(%(conversions)s)

-- name: credited_channels
-- Channels, the baseline too, that have credit of some conversions.
select distinct channel
from attribution.credit
where run_id = %(run_id)s and model = any(%(models)s) and conversion_id = any(%(conversions)s)

-- name: provisional
-- Conversions that came after the fit.
select conversion_id from attribution.conversions where run_id = %(run_id)s and provisional

-- name: delete_totals
-- Sums of some channels that are to be written again.
delete from attribution.credit_totals
where run_id = %(run_id)s and model = any(%(models)s) and channel = any(%(channels)s)

-- name: total_rules
-- The same sums of rules, whose intervals have no width.
insert into attribution.credit_totals (
    run_id, model, dimension, channel, campaign_id, currency,
    conversions_mean, conversions_low, conversions_high, iacv_mean, iacv_low, iacv_high
)
with sums as (
    select run_id, model, dimension, channel,
        case dimension when 'campaign' then campaign_id else '' end as campaign_id, currency,
        sum(share) as conversions, sum(share * iacv::double precision) as amount
    from attribution.credit
    join attribution.conversions using (run_id, conversion_id)
    cross join (values ('campaign'), ('channel')) as of_dimension (dimension)
    where run_id = %(run_id)s and model = any(%(models)s) and channel = any(%(channels)s)
    group by 1, 2, 3, 4, 5, 6
)
select run_id, model, dimension, channel, campaign_id, currency,
    conversions, conversions, conversions, amount, amount, amount
from sums

-- name: draws_of_channel
-- Draws of what a channel is credited, in the order of journeys.
select c.currency, c.iacv::double precision, d.campaign_id, array_send(d.shares)
from attribution.credit_draws d
join attribution.conversions c using (run_id, conversion_id)
where run_id = %(run_id)s and channel = %(channel)s
order by c.account_id collate "C", c.occurred_at, conversion_id collate "C",
    d.campaign_id collate "C"

-- name: move_snapshot
-- The run's credit is what it would be now.
update attribution.runs set seen = pg_current_snapshot(), seen_at = now() where run_id = %(run_id)s

-- name: log_restatement
-- What was done.
insert into attribution.restatements (run_id, conversions, leads, reasons, new_campaigns)
values (%(run_id)s, %(conversions)s, %(leads)s, %(reasons)s, %(new_campaigns)s)
returning restated_at

-- name: accounts_of_leads
-- The accounts that some leads belong to, or that a first event may say they do.
select r.account_id
from stream.identifiers i
join stream.identifier_accounts r on r.identifier_id = i.id
where i.kind = 'lead_id' and i.value = any(%(leads)s) and r.account_id is not null
union
select account_id from stream.touches where lead_id = any(%(leads)s) and account_id is not null
union
select account_id from stream.identities where lead_id = any(%(leads)s) and account_id is not null

-- name: deals
-- Deals that the run does not credit, the earliest first.
select event_id, account_id, received_at
from stream.revenue r
where stream.is_new(stored_in, %(seen)s) and kind in ('new', 'expansion') and iacv > 0
  and not exists (
      select from attribution.conversions c
      where c.run_id = %(run_id)s and c.conversion_id = r.event_id
  )
  and event_id <> all(%(but)s)
order by stored_in, event_id
limit %(most)s

-- name: hold_live
-- One at a time credits deals, and none while somebody is forgotten: `bizops forget` holds it too.
select pg_advisory_lock(7202621)

-- name: release_live
-- Others may.
select pg_advisory_unlock(7202621)

-- name: listen
-- Be told of deals and of runs.
listen bizops_live

-- name: may_credit
-- Whether whoever is connected may write credit.
select case when has_schema_privilege('attribution', 'usage')
    then has_table_privilege('attribution.credit', 'insert') else false end

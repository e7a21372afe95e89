-- name: touches
-- Every touch that belongs to an account by all that is known now.
select
    event_id,
    account_id,
    (extract(epoch from occurred_at) * 1000000)::bigint as time_us,
    day_only::int as day_only,
    channel,
    campaign_id
from stream.resolved_touches
where account_id is not null

-- name: touches_by_type
-- Every touch of an account by its kind: the type of the touch stands in the campaign's column, and
-- which of two that came at once is the first does not matter.
select
    '' as event_id,
    account_id,
    (extract(epoch from occurred_at) * 1000000)::bigint as time_us,
    day_only::int as day_only,
    channel,
    coalesce(touch_type, '') as campaign_id
from stream.resolved_touches
where account_id is not null

-- name: touches_of
-- The touches that belong to some accounts: those that say so, and those of the accounts' people.
with theirs as (
    select event_id, account_id, occurred_at, day_only, channel, campaign_id
    from stream.touches
    where account_id = any(%(accounts)s)
    union all
    select t.event_id, r.account_id, t.occurred_at, t.day_only, t.channel, t.campaign_id
    from stream.identifiers_of_accounts(%(accounts)s) r
    cross join lateral (
        select * from stream.touches t
        where t.identifier_id = r.identifier_id and t.account_id is null
        offset 0
    ) t
)
select
    event_id,
    account_id,
    (extract(epoch from occurred_at) * 1000000)::bigint as time_us,
    day_only::int as day_only,
    channel,
    campaign_id
from theirs

-- name: revenue
-- Every change of contract value, or of some accounts' only; the amount stays text, so that it
-- stays exact.
select
    event_id,
    account_id,
    (extract(epoch from occurred_at) * 1000000)::bigint as time_us,
    day_only::int as day_only,
    kind,
    iacv::text as iacv,
    currency
from stream.revenue
where %(accounts)s::text[] is null or account_id = any(%(accounts)s::text[])

-- name: touches_of_types
-- Touches of some kinds.
select event_id from stream.touches where touch_type = any(%s)

-- name: lift_tests
-- Every lift test; its window is whole days of UTC.
select
    event_id,
    coalesce(channel, '') as channel,
    coalesce(campaign_id, '') as campaign_id,
    (extract(epoch from starts_on) * 1000000)::bigint as start_us,
    (extract(epoch from ends_on + 1) * 1000000)::bigint as end_us,
    incremental_conversions,
    standard_error
from stream.lift_tests
order by event_id

-- name: accounts
-- One row per account, or account of some, that has a state: its first moment and latest segment.
select
    account_id,
    (extract(epoch from min(occurred_at)) * 1000000)::bigint as time_us,
    coalesce(
        (array_agg(segment order by occurred_at desc, event_id desc)
            filter (where segment is not null))[1],
        'unknown'
    ) as segment
from stream.accounts
where %(accounts)s::text[] is null or account_id = any(%(accounts)s::text[])
group by account_id

-- name: known_accounts
-- When the first lead of every account, or of some, was there, and until when that may have been.
select
    account_id,
    (extract(epoch from known_at) * 1000000)::bigint as time_us,
    (extract(epoch from known_until) * 1000000)::bigint as until_us
from attribution.known_accounts
where %(accounts)s::text[] is null or account_id = any(%(accounts)s::text[])

-- name: leads
-- Every lead, or some, with the first event that names it, its person and the person's account.
with named as (
    select lead_id, occurred_at, day_only, event_id, account_id
    from stream.touches
    where lead_id is not null
      and (%(leads)s::text[] is null or lead_id = any(%(leads)s::text[]))
    union all
    select lead_id, occurred_at, day_only, event_id, account_id
    from stream.identities
    where lead_id is not null
      and (%(leads)s::text[] is null or lead_id = any(%(leads)s::text[]))
),
first as (
    select distinct on (lead_id) *
    from named
    order by lead_id, occurred_at, day_only, event_id
)
select
    first.lead_id,
    (extract(epoch from first.occurred_at) * 1000000)::bigint as time_us,
    first.day_only::int as day_only,
    coalesce(r.person_id::text, 'lead ' || first.lead_id) as person_id,
    coalesce(r.account_id, first.account_id, '') as account_id
from first
left join stream.identifiers i on i.kind = 'lead_id' and i.value = first.lead_id
left join stream.identifier_accounts r on r.identifier_id = i.id

-- name: lead_touches
-- Every touch of a person who is known as a lead; the person stands in the account's column.
select
    t.event_id,
    t.person_id::text as account_id,
    (extract(epoch from t.occurred_at) * 1000000)::bigint as time_us,
    t.day_only::int as day_only,
    t.channel,
    t.campaign_id
from stream.resolved_touches t
where t.person_id in (
    select p.person_id
    from stream.identifiers i
    join stream.identifier_persons p on p.identifier_id = i.id
    where i.kind = 'lead_id'
)

-- name: lead_touches_of
-- Every touch of a person who is known as one of some leads.
with persons as (
    select p.person_id
    from stream.identifiers i
    join stream.identifier_persons p on p.identifier_id = i.id
    where i.kind = 'lead_id' and i.value = any(%(leads)s)
),
theirs as (
    select t.event_id
    from stream.identifier_persons p
    join stream.touches t on t.identifier_id = p.identifier_id
    where p.person_id in (select person_id from persons)
)
select
    t.event_id,
    t.person_id::text as account_id,
    (extract(epoch from t.occurred_at) * 1000000)::bigint as time_us,
    t.day_only::int as day_only,
    t.channel,
    t.campaign_id
from theirs
join stream.resolved_touches t using (event_id)
where t.person_id in (select person_id from persons)

-- name: start_run
-- A run that has started.
insert into attribution.runs (run_id, status, started_at, settings)
values (%s, 'running', %s, %s)

-- name: fail_run
-- A run that is not published, and why; one that is published stays so.
update attribution.runs
set status = 'failed', finished_at = now(), error = %(error)s, data = %(data)s,
    diagnostics = %(diagnostics)s, timings = %(timings)s, data_until = %(data_until)s,
    artifact = %(artifact)s
where run_id = %(run_id)s and status = 'running'

-- name: notice_lost_clients
-- Whether whoever holds this connection is still there is asked after 30 seconds of silence.
select set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '3', false)

-- name: running
-- The run that is being made.
select run_id, started_at from attribution.runs where status = 'running' order by started_at desc

-- name: fail_interrupted
-- Runs of processes that are gone.
update attribution.runs
set status = 'failed', finished_at = now(),
    error = 'interrupted: its process was gone before it was done'
where status = 'running'

-- name: without_artifact
-- Runs that failed before their draws were kept whole.
select run_id from attribution.runs where status = 'failed' and artifact is null

-- name: publish_run
-- The run that everything reads from now on.
update attribution.runs
set status = 'published', finished_at = moment, published_at = moment, data = %(data)s,
    diagnostics = %(diagnostics)s, timings = %(timings)s, data_until = %(data_until)s,
    artifact = %(artifact)s, seen = %(seen)s, seen_at = %(seen_at)s
from (select clock_timestamp() as moment) as clock
where run_id = %(run_id)s and status = 'running'

-- name: published_run
-- The run that reports read.
select run_id, status, started_at, finished_at, data_until, settings, data, diagnostics, timings,
    artifact, error, published_at
from attribution.runs
where run_id = (select run_id from attribution.published_run)

-- name: promote_run
-- A run that was published before becomes the published one.
update attribution.runs set status = 'published', published_at = clock_timestamp()
where run_id = %s

-- name: withdraw_run
-- A run that is not to be published any more.
update attribution.runs set status = 'withdrawn' where run_id = %s

-- name: shares
-- Draws of the model's shares, with what they are shares of.
select d.channel, c.currency, c.iacv::double precision, array_send(d.shares)
from attribution.credit_draws d
join attribution.conversions c using (run_id, conversion_id)
where run_id = %s

-- name: incremental_by_channel
-- Draws of the conversions that touches of a channel added, by day and campaign.
select channel, array_send(conversions)
from attribution.incremental_draws
where run_id = %s

-- name: list_runs
-- The newest runs.
select run_id, status, started_at, finished_at, data_until, settings, data, diagnostics, timings,
    artifact, error, published_at
from attribution.runs
order by started_at desc, run_id desc
limit %s

-- name: find_run
-- Runs by the beginning of their id.
select run_id, status, started_at, finished_at, data_until, settings, data, diagnostics, timings,
    artifact, error, published_at
from attribution.runs
where starts_with(run_id, %s)
order by run_id

-- name: channel_table
-- What a run credits to each channel over all time.
select channel, currency, conversions_mean, conversions_low, conversions_high,
    iacv_mean, iacv_low, iacv_high
from attribution.credit_totals
where run_id = %(run_id)s and model = %(model)s and dimension = 'channel'
order by channel = '(baseline)', iacv_mean desc, channel

-- name: campaign_table
-- What a run credits to each campaign over all time, the most first.
select channel, campaign_id, currency, conversions_mean, conversions_low, conversions_high,
    iacv_mean, iacv_low, iacv_high
from attribution.credit_totals
where run_id = %(run_id)s and model = %(model)s and dimension = 'campaign'
    and channel <> '(baseline)'
order by iacv_mean desc, channel, campaign_id

-- name: made_before
-- The last run that was made before one, and published.
select run_id
from attribution.runs
where status in ('published', 'withdrawn')
    and (started_at, run_id) < (select started_at, run_id from attribution.runs where run_id = %s)
order by started_at desc, run_id desc
limit 1

-- name: snapshot
-- Which transactions this one sees the rows of.
select pg_current_snapshot()::text, now()

-- name: posterior_draws
-- The draws that a run kept, in the order of their names.
select parameter, name, item, array_send(draws)
from attribution.posterior_draws
where run_id = %s
order by parameter, name collate "C", item collate "C"

-- name: removal_effects
-- What a run's Markov chains said of each campaign.
select model, channel, campaign_id, effect
from attribution.removal_effects
where run_id = %s
order by model, channel collate "C", campaign_id collate "C"

-- name: analyze
-- Readers find a run of which PostgreSQL knows how large it is, or they wait for bad plans.
analyze attribution.conversions, attribution.credit, attribution.credit_draws,
    attribution.lead_credit, attribution.credit_totals

-- name: spend_by_day
-- What each campaign cost by day and currency, up to a day since 1970.
select channel, campaign_id, currency, date - date '1970-01-01' as day, sum(amount)::float8
from stream.spend
where date - date '1970-01-01' <= %(until)s
group by channel, campaign_id, currency, date
order by channel collate "C", campaign_id collate "C", currency, day

-- name: touch_items
-- What touches carried, of those that carried anything.
select
    event_id,
    coalesce(creative_id, '(none)') as creative_id,
    coalesce(collateral_id, '(none)') as collateral_id
from stream.touches
where creative_id is not null or collateral_id is not null

-- name: creative_effects
-- What a run says of each creative beside the others of its campaign.
select channel, campaign_id, item_id, array_send(effect)
from attribution.relative_draws
where run_id = %s and dimension = 'creative'
order by channel collate "C", campaign_id collate "C", item_id collate "C"

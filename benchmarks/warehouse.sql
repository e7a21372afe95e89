-- name: session
-- Nothing here has to survive a crash, and sums stay in memory.
set synchronous_commit = off; set work_mem = '256MB'; set maintenance_work_mem = '1GB'; set jit = off

-- name: functions
-- Numbers that look random and are the same each time, and who is whose. A tenth of the leads have
-- no account, and few accounts have many leads.
create function pg_temp.chance(n bigint, salt bigint) returns float8
    language sql immutable strict parallel safe
    return (hashint8extended(n, salt) & 4294967295)::float8 / 4294967296;
create function pg_temp.id(kind text, n bigint) returns uuid
    language sql immutable strict parallel safe
    return md5(kind || n)::uuid;
create function pg_temp.hash(n bigint) returns bytea
    language sql immutable strict parallel safe
    return int8send(hashint8extended(n, 90)) || int8send(hashint8extended(n, 91));
create function pg_temp.channel(campaign bigint) returns text
    language sql immutable strict parallel safe
    return (array['paid_search', 'paid_social', 'email', 'webinar', 'event', 'content', 'partner',
        'direct_mail'])[1 + campaign %% 8];
create function pg_temp.campaign(campaign bigint) returns text
    language sql immutable strict parallel safe
    return 'campaign-' || lpad(campaign::text, 4, '0');
create function pg_temp.account_of(lead bigint) returns text
    language sql immutable strict parallel safe
    return case when pg_temp.chance(lead, 10) < 0.9
        then 'account-' || floor(%(accounts)s * power(pg_temp.chance(lead, 11), 2))::bigint end

-- name: accounts
-- One state an account; one in twenty has no segment.
insert into stream.accounts (event_id, source, received_at, content_hash, occurred_at, day_only,
    account_id, name, segment, employees, country)
select
    'bench:account:' || n, 'crm', %(start)s, pg_temp.hash(n), %(start)s, false,
    'account-' || n, 'Account ' || n,
    case when pg_temp.chance(n, 12) < 0.95
        then (array['small', 'middle', 'large'])[1 + n %% 3] end,
    10 + n %% 5000, 'DE'
from generate_series(0::bigint, %(accounts)s - 1) n

-- name: campaigns
-- One event a campaign.
insert into stream.campaigns (event_id, source, received_at, content_hash, occurred_at, day_only,
    campaign_id, name, channel, budget, currency)
select
    'bench:campaign:' || n, 'ads', %(start)s, pg_temp.hash(n), %(start)s, false,
    pg_temp.campaign(n), 'Campaign ' || n, pg_temp.channel(n), 100000, 'USD'
from generate_series(0::bigint, %(campaigns)s - 1) n

-- name: identifiers
-- A lead has an address and a browser; half as many browsers again are nobody's.
insert into stream.identifiers (id, kind, value, rank, parent_id)
select pg_temp.id('lead', n), 'lead_id', 'lead-' || n, 3, null
from generate_series(0::bigint, %(leads)s - 1) n
union all
select pg_temp.id('email', n), 'email', 'lead-' || n || '@example.com', 2, pg_temp.id('lead', n)
from generate_series(0::bigint, %(leads)s - 1) n
union all
select pg_temp.id('browser', n), 'anonymous_id', 'browser-' || n, 0,
    case when n < %(leads)s then pg_temp.id('lead', n) end
from generate_series(0::bigint, %(leads)s * 3 / 2) n

-- name: identity_edges
-- Facts that a lead's address and browser are the lead's.
insert into stream.identity_edges (lower_id, higher_id, first_at, event_id)
select pg_temp.id(kind, n), pg_temp.id('lead', n), %(start)s, 'bench:identity:' || n
from generate_series(0::bigint, %(leads)s - 1) n
cross join (values ('email'), ('browser')) kinds (kind)

-- name: account_links
-- Leads whose account is known.
insert into stream.account_links (identifier_id, account_id, strength, first_at, event_id)
select pg_temp.id('lead', n), pg_temp.account_of(n), 2, %(start)s, 'bench:identity:' || n
from generate_series(0::bigint, %(leads)s - 1) n
where pg_temp.account_of(n) is not null

-- name: identities
-- The events that said so.
insert into stream.identities (event_id, source, received_at, content_hash, occurred_at, day_only,
    account_id, lead_id, email, anonymous_id)
select
    'bench:identity:' || n, 'crm', %(start)s, pg_temp.hash(n), %(start)s, false,
    pg_temp.account_of(n), 'lead-' || n, 'lead-' || n || '@example.com', 'browser-' || n
from generate_series(0::bigint, %(leads)s - 1) n

-- name: touches
-- In order of time: half by leads, a third by their browsers, the others by nobody known. Few leads
-- and campaigns have most touches.
insert into stream.touches (event_id, source, received_at, content_hash, occurred_at, day_only,
    channel, campaign_id, account_id, lead_id, anonymous_id, identifier_id, touch_type,
    collateral_id, creative_id, utm_source, utm_campaign, properties)
select
    'bench:touch:' || lpad(n::text, 9, '0'),
    case when campaign %% 2 = 0 then 'ads' else 'site' end,
    moment + interval '2 seconds',
    pg_temp.hash(n),
    moment,
    false,
    pg_temp.channel(campaign),
    case when n %% 33 = 0 then '(none)' else pg_temp.campaign(campaign) end,
    case when who = 'lead' and n %% 10 = 0 then pg_temp.account_of(lead) end,
    case who when 'lead' then 'lead-' || lead end,
    case who when 'browser' then 'browser-' || lead
        when 'nobody' then 'browser-' || %(leads)s + lead / 2 end,
    case who when 'lead' then pg_temp.id('lead', lead) when 'browser' then pg_temp.id('browser', lead)
        else pg_temp.id('browser', %(leads)s + lead / 2) end,
    (array['view', 'click', 'open', 'visit'])[1 + n %% 4],
    case when n %% 5 = 0 then 'collateral-' || n %% 97 end,
    case when n %% 2 = 0 then 'creative-' || campaign * 4 + n %% 4 end,
    pg_temp.channel(campaign),
    pg_temp.campaign(campaign),
    '{}'
from (
    select
        n,
        %(start)s::timestamptz + n * (%(days)s * interval '1 day' / %(touches)s) as moment,
        floor(%(campaigns)s * power(pg_temp.chance(n, 20), 2))::bigint as campaign,
        floor(%(leads)s * power(pg_temp.chance(n, 21), 2))::bigint as lead,
        case when pg_temp.chance(n, 22) < 0.5 then 'lead'
            when pg_temp.chance(n, 22) < 0.85 then 'browser' else 'nobody' end as who
    from generate_series(1::bigint, %(touches)s) n
    offset 0
) drawn

-- name: spend
-- What each campaign cost on each day but every seventh.
insert into stream.spend (event_id, source, received_at, content_hash, kafka_offset, date,
    campaign_id, channel, amount, currency, impressions, clicks)
select
    'bench:spend:' || campaign || ':' || day, 'ads', %(start)s + (day + 1) * interval '1 day',
    pg_temp.hash(day * 1000 + campaign), day * %(campaigns)s + campaign, %(start)s::date + day::int,
    pg_temp.campaign(campaign), pg_temp.channel(campaign),
    round((20 + 200 * pg_temp.chance(day * 1000 + campaign, 30))::numeric, 2), 'USD', 10000, 100
from generate_series(0::bigint, %(days)s - 1) day
cross join generate_series(0::bigint, %(campaigns)s - 1) campaign
where (day + campaign) %% 7 <> 0

-- name: products
-- What selling leaves, from the first day on.
insert into stream.products (event_id, source, received_at, content_hash, kafka_offset, date,
    product, margin, retention_years)
select 'bench:product:' || n, 'finance', %(start)s, pg_temp.hash(n), n, %(start)s::date,
    'product-' || n, 0.6 + n * 0.1, 4
from generate_series(0::bigint, 2) n

-- name: revenue
-- Conversions from half a year after the first touch on; of half of them a renewal or a loss after a
-- year.
with won as (
    select
        n,
        'account-' || floor(%(accounts)s * power(pg_temp.chance(n, 40), 1.5))::bigint as account_id,
        %(start)s::timestamptz + interval '180 days'
            + pg_temp.chance(n, 41) * (%(days)s - 180) * interval '1 day' as occurred_at,
        round((4000 + 60000 * power(pg_temp.chance(n, 42), 3))::numeric, 2) as iacv,
        'product-' || n %% 3 as product
    from generate_series(1::bigint, %(conversions)s) n
),
changes as (
    select n, 0 as step, account_id, occurred_at, 
        case when n %% 3 = 0 then 'expansion' else 'new' end as kind, iacv, product
    from won
    union all
    select n, 1, account_id, occurred_at + interval '365 days',
        case when n %% 10 = 0 then 'churn' else 'renewal' end,
        case when n %% 10 = 0 then -iacv else 0 end, product
    from won
    where n %% 2 = 0
)
insert into stream.revenue (event_id, source, received_at, content_hash, occurred_at, day_only,
    account_id, kind, iacv, currency, opportunity_id, term_months, product, properties)
select
    'bench:revenue:' || n || ':' || step, 'crm', occurred_at + interval '1 minute',
    pg_temp.hash(n * 2 + step), occurred_at, false, account_id, kind, iacv, 'USD',
    'opportunity-' || n, 12, product, '{}'
from changes
where occurred_at < %(start)s::timestamptz + %(days)s * interval '1 day'
order by occurred_at

-- name: opportunities
-- Four stages of each conversion, and as many that were lost.
insert into stream.opportunities (event_id, source, received_at, content_hash, occurred_at,
    day_only, opportunity_id, account_id, stage, amount, currency, outcome)
select
    r.event_id || ':' || stage || ':' || outcome, 'crm', r.received_at, r.content_hash,
    r.occurred_at - before, false, r.opportunity_id || ':' || outcome, r.account_id, stage, r.iacv,
    'USD', case when is_last then outcome else 'open' end
from stream.revenue r
cross join (values ('won'), ('lost')) outcomes (outcome)
cross join (
    values
        ('qualified', interval '60 days', false), ('demo', interval '40 days', false),
        ('proposal', interval '20 days', false), ('closed', interval '0 days', true)
) stages (stage, before, is_last)
where r.iacv > 0

-- name: lead_statuses
-- New, and for some accepted by marketing, then by sales.
insert into stream.lead_statuses (event_id, source, received_at, content_hash, occurred_at,
    day_only, identifier_id, lead_id, status)
select
    'bench:status:' || n || ':' || status, 'crm', moment, pg_temp.hash(n), moment, false,
    pg_temp.id('lead', n), 'lead-' || n, status
from generate_series(0::bigint, %(leads)s - 1) n
cross join (values ('new', 1.0, 0), ('mql', 0.4, 5), ('sql', 0.15, 20)) statuses (status, share, days)
cross join lateral (
    select %(start)s::timestamptz
        + (pg_temp.chance(n, 50) * (%(days)s - 20) + days) * interval '1 day' as moment
) moments
where pg_temp.chance(n, 51) < share

-- name: analyze
-- What is stored is known to the planner.
analyze stream.touches, stream.identifiers, stream.identity_edges, stream.account_links,
    stream.accounts, stream.spend, stream.revenue, stream.opportunities, stream.lead_statuses

-- name: run
-- The published run, of which all below is.
insert into attribution.runs (run_id, status, started_at, finished_at, published_at, data_until,
    settings, diagnostics, seen, seen_at)
values ('bench', 'published', now(), now(), now(), now(), '{"lookback_days": 90}', '{}',
    pg_current_snapshot(), now())

-- name: conversions
-- All revenue with IACV above 0.
insert into attribution.conversions (run_id, conversion_id, account_id, occurred_at, day_only, kind,
    iacv, currency)
select 'bench', event_id, account_id, occurred_at, day_only, kind, iacv, currency
from stream.revenue r
where iacv > 0 and not exists (
    select from attribution.conversions c where c.conversion_id = r.event_id
)

-- name: journeys
-- The touches of the 90 days before each conversion that is not credited yet, weighed by each model.
set enable_nestloop = off;  -- how few they are it can't tell
create temporary table journeys as
with ordered as (
    select
        c.conversion_id,
        t.event_id as touch_id,
        t.channel,
        t.campaign_id,
        t.occurred_at as touched_at,
        extract(epoch from c.occurred_at - t.occurred_at)::float8 / 86400 as age_days,
        row_number() over journey as place,
        count(*) over (partition by c.conversion_id) as touches
    from attribution.conversions c
    join stream.resolved_touches t using (account_id)
    where c.run_id = 'bench' and t.occurred_at <= c.occurred_at
        and not exists (select from attribution.credit k where k.conversion_id = c.conversion_id)
        and t.occurred_at > c.occurred_at - interval '90 days'
    window journey as (partition by c.conversion_id order by t.occurred_at, t.event_id)
)
select
    conversion_id, touch_id, channel, campaign_id, touched_at, model, weight,
    sum(weight) over (partition by conversion_id, model) as weights
from ordered
cross join lateral (
    values
        ('bayesian', 0.1 + pg_temp.chance(hashtextextended(touch_id, 60), 60)),
        ('first_touch', (place = 1)::int::float8),
        ('last_touch', (place = touches)::int::float8),
        ('linear', 1.0),
        ('time_decay', power(2, -age_days / 7)),
        ('position_based', case when place in (1, touches) then 0.4 else 0.2 / touches end),
        ('w_shaped', case when place in (1, touches / 2, touches) then 0.3 else 0.1 / touches end),
        ('shapley', 0.5 + pg_temp.chance(hashtextextended(touch_id, 61), 61)),
        ('markov_1', 0.2 + pg_temp.chance(hashtextextended(touch_id, 62), 62))
) models (model, weight)
where weight > 0;
set enable_nestloop = on;
analyze journeys

-- name: credit
-- Shares of touches, and of the baseline: 0.3 by the model, and of what nobody touched all.
insert into attribution.credit (run_id, model, conversion_id, touch_id, channel, campaign_id,
    touched_at, share)
select 'bench', model, conversion_id, touch_id, channel, campaign_id, touched_at,
    weight / weights * case model when 'bayesian' then 0.7 else 1 end
from journeys
union all
select 'bench', m.model, c.conversion_id, null, '(baseline)', '(baseline)', null,
    case when j.conversion_id is null then 1 else 0.3 end
from attribution.conversions c
cross join (select unnest(%(models)s::text[]) as model) m
left join (select distinct conversion_id from journeys) j using (conversion_id)
where c.run_id = 'bench' and (j.conversion_id is null or m.model = 'bayesian')
    and not exists (select from attribution.credit k where k.conversion_id = c.conversion_id)

-- name: patterns
-- Draws about 1, of which the baseline's follow: all credit of a conversion goes up and down at once.
create temporary table patterns as
select
    p as pattern,
    array_agg((0.6 + 0.8 * pg_temp.chance(p * 1000 + draw, 70))::real order by draw) as draws,
    array_agg((0.01 * pg_temp.chance(p * 1000 + draw, 70))::real order by draw) as small
from generate_series(0::bigint, 199) p, generate_series(1::bigint, %(draws)s) draw
group by p

-- name: credit_draws
-- Draws by conversion and campaign; each draw of a conversion adds up to one.
insert into attribution.credit_draws (run_id, conversion_id, channel, campaign_id, shares)
select 'bench', s.conversion_id, s.channel, s.campaign_id,
    case
        when s.channel <> '(baseline)' then array(select (s.share * d)::real from unnest(p.draws) d)
        when s.share = 1 then array(select 1::real from unnest(p.draws))
        else array(select (1 - 0.7 * d)::real from unnest(p.draws) d)
    end
from (
    select conversion_id, channel, campaign_id, sum(share) as share
    from attribution.credit
    where run_id = 'bench' and model = 'bayesian' and not exists (
        select from attribution.credit_draws d where d.conversion_id = credit.conversion_id
    )
    group by 1, 2, 3
) s
join patterns p on p.pattern = abs(hashtext(s.conversion_id)) %% 200

-- name: days_of_touches
-- Days on which each campaign was touched.
create temporary table touched_days as
select (occurred_at at time zone 'UTC')::date as day, channel, campaign_id, count(*) as touches
from stream.touches
group by 1, 2, 3

-- name: incremental_draws
-- Draws of what each of these days adds.
insert into attribution.incremental_draws (run_id, touched_on, channel, campaign_id, conversions)
select 'bench', d.day, d.channel, d.campaign_id, p.small
from touched_days d
join patterns p on p.pattern = abs(hashtext(d.day || d.campaign_id)) %% 200

-- name: incremental_iacv_draws
-- The same in IACV.
insert into attribution.incremental_iacv_draws (run_id, touched_on, channel, campaign_id, currency,
    iacv)
select 'bench', d.day, d.channel, d.campaign_id, 'USD', p.draws
from touched_days d
join patterns p on p.pattern = abs(hashtext(d.day || d.campaign_id)) %% 200

-- name: lead_credit
-- Two campaigns of each lead, which may be one.
insert into attribution.lead_credit (run_id, model, lead_id, became_lead_at, channel, campaign_id,
    share)
select 'bench', model, 'lead-' || n,
    %(start)s::timestamptz + pg_temp.chance(n, 50) * %(days)s * interval '1 day',
    pg_temp.channel(campaign), pg_temp.campaign(campaign), sum(share)
from generate_series(0::bigint, %(leads)s - 1) n
cross join (select unnest(%(models)s::text[]) as model) m
cross join lateral (
    values
        (floor(%(campaigns)s * power(pg_temp.chance(n, 80), 2))::bigint, 0.6),
        (floor(%(campaigns)s * power(pg_temp.chance(n, 81), 2))::bigint, 0.4)
) places (campaign, share)
group by model, n, campaign

-- name: credit_totals
-- Sums in all by campaign and channel; the model's intervals are 40 %% to either side.
insert into attribution.credit_totals (run_id, model, dimension, channel, campaign_id, currency,
    conversions_mean, conversions_low, conversions_high, iacv_mean, iacv_low, iacv_high)
with summed as (
    select
        c.model, d.dimension, c.channel, d.campaign_id,
        sum(c.share) as conversions, sum(c.share * v.iacv::float8) as iacv,
        case c.model when 'bayesian' then 0.4 else 0 end as doubt
    from attribution.credit c
    join attribution.conversions v using (run_id, conversion_id)
    cross join lateral (values ('campaign', c.campaign_id), ('channel', '')) d (dimension, campaign_id)
    where c.run_id = 'bench'
    group by 1, 2, 3, 4
)
select 'bench', model, dimension, channel, campaign_id, 'USD',
    conversions, conversions * (1 - doubt), conversions * (1 + doubt),
    iacv, iacv * (1 - doubt), iacv * (1 + doubt)
from summed

-- name: analyze_credit
-- As a run does.
analyze attribution.conversions, attribution.credit, attribution.credit_draws,
    attribution.incremental_draws, attribution.incremental_iacv_draws, attribution.lead_credit,
    attribution.credit_totals

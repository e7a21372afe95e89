-- name: memory
-- Sums by account stay in memory, and compiling takes longer than it saves; for this transaction.
set local work_mem = '128MB'; set local jit = off

-- name: readable
-- Those of the tables that this role may read as far as checks need it.
select name
from unnest(%(tables)s::text[]) as named (name)
where has_column_privilege('stream.' || name, 'source', 'select')
    and has_column_privilege('stream.' || name, 'received_at', 'select')

-- name: touches
-- The one pass over all touches: sums by source and day, by campaign, and by account. A touch is
-- ahead where its own clock is after ours; of one that knows its day only, that day may begin 14
-- hours earlier elsewhere. More than a day ahead is a wrong date rather than a clock.
create temporary table checked_touches on commit drop as
with touches as (
    select
        t.source,
        t.channel,
        t.campaign_id,
        t.account_id,
        t.account_id is null as is_nobodys,
        t.occurred_at,
        least(t.occurred_at, t.received_at) as known_at,
        (least(t.occurred_at, t.received_at) at time zone 'UTC')::date as day,
        t.occurred_at - t.received_at as ahead,
        t.occurred_at - t.received_at
            > case when t.day_only then interval '14 hours' else interval '5 minutes' end
            as is_ahead,
        t.campaign_id <> '(none)' and (t.channel, t.campaign_id) not in (
            select s.channel, s.campaign_id from stream.spend s
        ) as is_unspent
    from stream.resolved_touches t
    offset 0  -- or PostgreSQL takes groups for many, and sorts all touches rather than hash them
)
select
    case
        when grouping(source) = 0 then 'day'
        when grouping(channel) = 0 then 'campaign'
        else 'account'
    end as grain,
    source,
    day,
    channel,
    campaign_id,
    account_id,
    count(*) as touches,
    count(*) filter (where is_nobodys) as of_nobody,
    min(occurred_at) as first_at,
    max(known_at) as last_at,
    min(occurred_at) filter (where is_unspent) as first_unspent_at,
    count(*) filter (where is_ahead) as ahead,
    max(ahead) filter (where is_ahead) as most_ahead,
    max(ahead) filter (where is_ahead and ahead <= interval '1 day') as skew
from touches
group by grouping sets ((source, day), (channel, campaign_id), (account_id));
analyze checked_touches

-- name: events
-- Events by type, source and day; those of touches first.
create temporary table checked_events on commit drop as
select 'touch' as type, source, day, touches as events, last_at, ahead, most_ahead
from checked_touches
where grain = 'day'

-- name: timed_events
-- Those of a type that has a moment.
insert into checked_events
select
    {type},
    source,
    (least(occurred_at, received_at) at time zone 'UTC')::date,
    count(*),
    max(least(occurred_at, received_at)),
    count(*) filter (where is_ahead),
    max(occurred_at - received_at) filter (where is_ahead)
from (
    select
        *,
        occurred_at - received_at
            > case when day_only then interval '14 hours' else interval '5 minutes' end as is_ahead
    from (select source, occurred_at, received_at, day_only from {table}) told
) events
group by 1, 2, 3

-- name: dated_events
-- Those of a type that has a day; a day to come counts as the one on which it was told.
insert into checked_events
select
    {type},
    source,
    least(date, (received_at at time zone 'UTC')::date),
    count(*),
    max(least(date::timestamp at time zone 'UTC', received_at)),
    0
from {table}
group by 1, 2, 3

-- name: silences
-- Sources that have been silent for longer than is usual for them.
create temporary table checked_silences on commit drop as
with days as (
    select type, source, day, max(last_at) as last_at
    from checked_events
    where day <= %(today)s
    group by type, source, day
),
gaps as (
    select *, day - lag(day) over (partition by type, source order by day) as gap_days
    from days
),
usual as (
    select
        type,
        source,
        count(*) as days,
        max(last_at) as last_at,
        %(today)s::date - max(day) as silent_days,
        percentile_disc(0.95) within group (order by gap_days) as usual_days
    from gaps
    group by type, source
)
select type, source, last_at, silent_days, usual_days
from usual
where days >= %(least_days)s
    and silent_days > greatest(%(grace_days)s, %(times)s * usual_days)
    and silent_days <= %(ended_days)s

-- name: spend
-- What was spent on each campaign, whether it was ever touched, and whether anything told of it.
create temporary table checked_spend on commit drop as
select
    s.channel,
    s.campaign_id,
    s.currency,
    sum(s.amount) as amount,
    min(s.date) as first_day,
    not exists (
        select from checked_touches t
        where t.grain = 'campaign' and t.channel = s.channel and t.campaign_id = s.campaign_id
    ) as spend_without_touches,
    s.campaign_id <> '(none)' and not exists (
        select from stream.campaigns c where c.campaign_id = s.campaign_id
    ) as spend_without_campaign
from stream.spend s
where s.amount > 0
group by s.channel, s.campaign_id, s.currency

-- name: rates
-- From which day on each currency has a rate to the reporting currency: given, turned around, or by
-- way of the first currency that has rates with both, as in the marts.
create temporary table checked_rates on commit drop as
with pairs as (
    select currency, to_currency, min(date) as since
    from (
        select currency, to_currency, date from stream.exchange_rates
        union all
        select to_currency, currency, date from stream.exchange_rates
    ) both_ways
    group by currency, to_currency
),
direct as (
    select currency, since from pairs where to_currency = %(currency)s
),
through as (
    select p.currency, min(p.to_currency) as pivot
    from pairs p
    join direct d on d.currency = p.to_currency
    where p.currency <> %(currency)s and p.currency not in (select currency from direct)
    group by p.currency
)
select currency, since from direct
union all
select t.currency, greatest(p.since, d.since)
from through t
join pairs p on p.currency = t.currency and p.to_currency = t.pivot
join direct d on d.currency = t.pivot
union all
select %(currency)s, '-infinity'

-- name: conversions
-- Every conversion, with which checks leave it unattributed or in doubt. Where only its day is
-- known, all of that day is before it.
create temporary table checked_conversions on commit drop as
with accounts as (
    select account_id, first_at, first_unspent_at
    from checked_touches
    where grain = 'account' and account_id is not null
),
segmented as (
    select distinct account_id, true as is_segmented from stream.accounts where segment is not null
),
conversions as (
    select
        event_id, account_id, currency, iacv, product, occurred_at, received_at, day_only,
        (occurred_at at time zone 'UTC')::date as day,
        occurred_at
            + case when day_only then interval '1 day - 1 microsecond' else interval '0' end
            as until
    from stream.revenue
    where iacv > 0
),
touched as (
    select
        c.*,
        coalesce(a.first_at <= c.until, false) as is_touched,
        coalesce(a.first_unspent_at <= c.until, false) as is_unspent,
        coalesce(s.is_segmented, false) as is_segmented
    from conversions c
    left join accounts a using (account_id)
    left join segmented s using (account_id)
),
firsts as (
    select
        (
            select first_at from checked_touches where grain = 'account' and account_id is null
        ) as nobodys_at,
        (select min(first_day) from checked_spend where spend_without_touches) as spent_on,
        (select min(last_at) from checked_silences where type = 'touch') as silent_since
)
select
    c.event_id,
    c.account_id,
    c.currency,
    c.iacv,
    c.product,
    c.day,
    c.until,
    c.is_unspent as campaigns_without_spend,
    not c.is_touched and coalesce(c.day >= f.spent_on, false) as spend_without_touches,
    not c.is_touched and coalesce(f.nobodys_at <= c.until, false) as touches_without_accounts,
    not c.is_segmented as accounts_without_segment,
    not c.is_touched as revenue_without_touches,
    coalesce(f.silent_since < c.until, false) as stale_sources,
    c.occurred_at - c.received_at
        > case when c.day_only then interval '14 hours' else interval '5 minutes' end
        as clock_skew,
    coalesce(c.day < r.since, true) as currencies_without_rate,
    not exists (
        select from stream.products p
        where p.margin is not null and p.date <= c.day
            and (p.product is null or p.product = c.product)
    ) as products_without_margin
from touched c
cross join firsts f
left join checked_rates r using (currency);
analyze checked_conversions

-- name: has_skew
-- Whether the clock of any source of touches is ahead.
select exists (select from checked_touches where grain = 'day' and skew is not null)

-- name: skewed_conversions
-- Conversions shortly before touches of a source whose clock is ahead: they may have come after.
update checked_conversions c
set clock_skew = true
from stream.resolved_touches t
join (
    select source, max(skew) as skew from checked_touches where grain = 'day' group by source
) s using (source)
where t.account_id = c.account_id and not c.clock_skew
    and t.occurred_at > c.until and t.occurred_at <= c.until + s.skew

-- name: iacv
-- IACV of the conversions that each check leaves unattributed or in doubt, and of all.
select
    f.name,
    c.currency,
    coalesce(sum(c.iacv) filter (where f.is_hit), 0),
    sum(c.iacv)
from checked_conversions c
cross join lateral (
    values
        ('campaigns_without_spend', c.campaigns_without_spend),
        ('spend_without_touches', c.spend_without_touches),
        ('spend_without_campaign', false),
        ('touches_without_accounts', c.touches_without_accounts),
        ('accounts_without_segment', c.accounts_without_segment),
        ('revenue_without_touches', c.revenue_without_touches),
        ('stale_sources', c.stale_sources),
        ('clock_skew', c.clock_skew),
        ('currencies_without_rate', c.currencies_without_rate),
        ('products_without_margin', c.products_without_margin)
) as f (name, is_hit)
group by f.name, c.currency
order by f.name, c.currency

-- name: spend_in_doubt
-- Spend that checks find, by currency.
select f.name, s.currency, sum(s.amount) filter (where f.is_hit)
from checked_spend s
cross join lateral (
    values
        ('spend_without_touches', s.spend_without_touches),
        ('spend_without_campaign', s.spend_without_campaign)
) as f (name, is_hit)
group by f.name, s.currency
having bool_or(f.is_hit)
union all
select 'currencies_without_rate', s.currency, sum(s.amount)
from stream.spend s
left join checked_rates r using (currency)
where s.amount > 0 and coalesce(s.date < r.since, true)
group by s.currency
order by 1, 2

-- name: campaigns_without_spend
-- Campaigns that have touches and no spend; touches that name none are of no campaign.
select worst.found, worst.campaign_id, n.name, 'touches in ' || worst.channel || ': ' || worst.touches
from (
    select count(*) over () as found, channel, campaign_id, touches
    from checked_touches
    where grain = 'campaign' and first_unspent_at is not null
    order by touches desc, channel, campaign_id
    limit %(examples)s
) worst
left join lateral (
    select c.name from stream.campaigns c
    where c.campaign_id = worst.campaign_id and c.name is not null
    order by c.occurred_at desc, c.event_id desc
    limit 1
) n on true
order by worst.touches desc, worst.channel, worst.campaign_id

-- name: spend_without_touches
-- Campaigns that have spend and no touches.
select worst.found, worst.campaign_id, n.name, 'spend in ' || worst.channel || ': ' || worst.spend
from (
    select
        count(*) over () as found,
        channel,
        campaign_id,
        max(amount) as most,
        string_agg(amount || ' ' || currency, ', ' order by currency) as spend
    from checked_spend
    where spend_without_touches
    group by channel, campaign_id
    order by most desc, channel, campaign_id
    limit %(examples)s
) worst
left join lateral (
    select c.name from stream.campaigns c
    where c.campaign_id = worst.campaign_id and c.name is not null
    order by c.occurred_at desc, c.event_id desc
    limit 1
) n on true
order by worst.most desc, worst.channel, worst.campaign_id

-- name: spend_without_campaign
-- Campaigns that have spend, and of which no campaign event tells.
select
    count(*) over (),
    campaign_id,
    null,
    'spend in ' || channel || ': ' || string_agg(amount || ' ' || currency, ', ' order by currency)
from checked_spend
where spend_without_campaign
group by channel, campaign_id
order by max(amount) desc, channel, campaign_id
limit %(examples)s

-- name: touches_without_accounts
-- Touches of people whose account nobody knows, by campaign.
select
    sum(of_nobody) over ()::bigint,
    campaign_id,
    null,
    'in ' || channel || ': ' || of_nobody || ' of ' || touches
from checked_touches
where grain = 'campaign' and of_nobody > 0
order by of_nobody desc, channel, campaign_id
limit %(examples)s

-- name: accounts_without_segment
-- Accounts that no event gives a segment.
select
    worst.found,
    worst.account_id,
    n.name,
    'conversions: ' || worst.conversions || ', touches: ' || worst.touches
from (
    select
        count(*) over () as found,
        a.account_id,
        sum(a.conversions) as conversions,
        sum(a.touches) as touches
    from (
        select account_id, touches, 0 as conversions
        from checked_touches
        where grain = 'account' and account_id is not null
        union all
        select account_id, 0, (iacv > 0)::int from stream.revenue
        union all
        select account_id, 0, 0 from stream.accounts
    ) a
    where not exists (
        select from stream.accounts s where s.account_id = a.account_id and s.segment is not null
    )
    group by a.account_id
    order by conversions desc, touches desc, a.account_id
    limit %(examples)s
) worst
left join lateral (
    select s.name from stream.accounts s
    where s.account_id = worst.account_id and s.name is not null
    order by s.occurred_at desc, s.event_id desc
    limit 1
) n on true
order by worst.conversions desc, worst.touches desc, worst.account_id

-- name: revenue_without_touches
-- Conversions of accounts without any touch before.
select
    worst.found,
    worst.event_id,
    n.name,
    worst.account_id || ' on ' || worst.day || ': ' || worst.iacv || ' ' || worst.currency
from (
    select count(*) over () as found, event_id, account_id, day, iacv, currency
    from checked_conversions
    where revenue_without_touches
    order by iacv desc, event_id
    limit %(examples)s
) worst
left join lateral (
    select s.name from stream.accounts s
    where s.account_id = worst.account_id and s.name is not null
    order by s.occurred_at desc, s.event_id desc
    limit 1
) n on true
order by worst.iacv desc, worst.event_id

-- name: stale_sources
-- Sources that have fallen silent, by type of event.
select
    count(*) over (),
    source,
    type,
    'days silent: ' || silent_days || ', usual: up to ' || usual_days
from checked_silences
order by silent_days::float8 / usual_days desc, source, type
limit %(examples)s

-- name: clock_skew
-- Events from the future, by source and type.
select
    sum(sum(ahead)) over ()::bigint,
    source,
    type,
    sum(ahead) || ' of ' || sum(events) || ', ahead by up to ' || date_trunc('second', max(most_ahead))
from checked_events
group by source, type
having sum(ahead) > 0
order by sum(ahead) desc, source, type
limit %(examples)s

-- name: currencies_without_rate
-- Currencies with amounts of days for which there is no rate to the reporting currency.
select
    count(*) over (),
    currency,
    null,
    'amounts: ' || count(*) || ', from ' || min(day) || ' to ' || max(day)
from (
    select currency, (occurred_at at time zone 'UTC')::date as day
    from stream.revenue
    where iacv <> 0
    union all
    select currency, date from stream.spend where amount <> 0
) amounts
left join checked_rates r using (currency)
where coalesce(day < r.since, true)
group by currency
order by count(*) desc, currency
limit %(examples)s

-- name: products_without_margin
-- Products of which something was sold before any margin of theirs, or of all others, was told.
select
    count(*) over (),
    coalesce(product, '(none)'),
    null,
    'conversions: ' || count(*) || ', from ' || min(day) || ' to ' || max(day)
from checked_conversions
where products_without_margin
group by product
order by count(*) desc, product
limit %(examples)s

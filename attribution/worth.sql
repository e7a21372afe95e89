-- name: is_account
-- Whether anything is known of an account.
select exists (select from stream.accounts where account_id = %(text)s)
    or exists (select from stream.revenue where account_id = %(text)s)
    or exists (select from stream.touches where account_id = %(text)s)
    or exists (select from stream.account_links where account_id = %(text)s)

-- name: accounts_called
-- Accounts that have, or had, a name or a domain.
select distinct account_id
from stream.accounts
where lower(name) = lower(%(text)s) or lower(domain) = lower(%(text)s)
order by account_id

-- name: accounts_like
-- What accounts are called that may have been meant: it begins or ends alike.
with names as (
    select called
    from stream.accounts
    cross join lateral (values (account_id), (name), (domain)) as names (called)
    union
    select account_id from stream.revenue
)
select called
from names
where lower(left(called, 1)) = lower(left(%(text)s, 1))
    or lower(right(called, 3)) = lower(right(%(text)s, 3))
limit 20000

-- name: account_name
-- The newest name of an account that has one.
select name
from stream.accounts
where account_id = %(account_id)s and name is not null
order by occurred_at desc, event_id desc
limit 1

-- name: activity
-- What a run knew of an account's activity.
select bin, z from attribution.account_activity where run_id = %(run_id)s and account_id = %(account_id)s

-- name: currencies
-- Currencies of all revenue and spend.
select currency from stream.revenue where iacv <> 0
union
select currency from stream.spend where amount <> 0
order by currency

-- name: prices
-- What each campaign of some channels cost in each month, and its touches, of whomever they were.
with touched as (
    select
        channel,
        campaign_id,
        date_trunc('month', occurred_at at time zone 'UTC')::date as month,
        count(*) as touches
    from stream.touches
    where channel = any(%(channels)s)
    group by 1, 2, 3
),
spent as (
    select
        channel,
        campaign_id,
        date_trunc('month', date::timestamp)::date as month,
        sum(amount)::float8 as spend
    from stream.spend
    where channel = any(%(channels)s) and currency = %(currency)s
    group by 1, 2, 3
)
select channel, campaign_id, month, coalesce(touches, 0), spend
from touched
full join spent using (channel, campaign_id, month)

-- name: credited
-- Which of some conversions a run credits, and whether that is provisional.
select conversion_id, provisional
from attribution.conversions
where run_id = %(run_id)s and conversion_id = any(%(conversions)s)

-- name: published_shares
-- The model's shares of some conversions, as published.
select conversion_id, touch_id, share
from attribution.credit
where run_id = %(run_id)s and model = 'bayesian' and conversion_id = any(%(conversions)s)

-- name: amounts
-- What the conversions of a run were worth, by segment.
select coalesce(segment, 'unknown'), iacv::float8
from attribution.conversions
where run_id = %(run_id)s and kind = %(kind)s and currency = %(currency)s
order by conversion_id

-- name: customers
-- Each customer: segment, how often lost in how many years of whole terms, years of being one, its
-- first new deal, and what it expanded by.
with first_deals as (
    select distinct on (account_id) account_id, conversion_id, iacv, currency
    from attribution.conversions
    where run_id = %(run_id)s and kind = 'new'
    order by account_id, occurred_at, conversion_id
),
expanded as (
    select account_id, sum(iacv) as iacv
    from stream.revenue
    where kind = 'expansion' and iacv > 0 and currency = %(currency)s
    group by account_id
),
segments as (
    select distinct on (account_id) account_id, segment
    from stream.accounts
    where segment is not null
    order by account_id, occurred_at desc, event_id desc
)
select
    s.account_id,
    coalesce(g.segment, 'unknown'),
    s.lost::float8,
    s.term_years,
    s.years,
    f.conversion_id,
    case when f.currency = %(currency)s then f.iacv::float8 end,
    coalesce(e.iacv, 0)::float8
from stream.customer_years(%(data_until)s::timestamptz) s
left join segments g using (account_id)
left join first_deals f using (account_id)
left join expanded e using (account_id)
order by s.account_id

-- name: acquiring
-- Draws of the model's shares of every account's first new deal.
with first_deals as (
    select distinct on (account_id) conversion_id
    from attribution.conversions
    where run_id = %(run_id)s and kind = 'new'
    order by account_id, occurred_at, conversion_id
)
select d.conversion_id, d.channel, d.campaign_id, array_send(d.shares)
from first_deals
join attribution.credit_draws d using (conversion_id)
where d.run_id = %(run_id)s
order by d.conversion_id, d.channel, d.campaign_id

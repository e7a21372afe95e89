-- name: touches
-- A day's touches of known leads: one in fifty came late, by up to eight weeks.
insert into stream.touches (event_id, source, received_at, content_hash, occurred_at, day_only,
    channel, campaign_id, lead_id, identifier_id, touch_type, properties)
select
    'bench:day:' || %(day)s || ':' || n, 'site', %(end)s::timestamptz + %(day)s * interval '1 day',
    pg_temp.hash(n),
    %(end)s::timestamptz + (%(day)s - 1 + pg_temp.chance(n, 100)) * interval '1 day'
        - case when n %% 50 = 0 then pg_temp.chance(n, 101) * 56 else 0 end * interval '1 day',
    false, pg_temp.channel(campaign), pg_temp.campaign(campaign), 'lead-' || lead,
    pg_temp.id('lead', lead), 'visit', '{}'
from generate_series(10000::bigint * %(day)s, 10000 * %(day)s + 9999) n
cross join lateral (
    select
        floor(%(campaigns)s * power(pg_temp.chance(n, 102), 2))::bigint as campaign,
        floor(%(leads)s * power(pg_temp.chance(n, 103), 2))::bigint as lead
) drawn

-- name: identity
-- Two leads of different accounts are one person, and few have more touches than they.
with two as (
    select
        pg_temp.id('lead', a) as one, pg_temp.id('lead', b) as other,
        'lead-' || a as lead_id, 'lead-' || b as previous
    from generate_series(50::bigint * %(day)s, 50 * %(day)s + 49) a,
        generate_series(50::bigint * %(day)s, 50 * %(day)s + 49) b
    where a < b and pg_temp.account_of(a) <> pg_temp.account_of(b)
    order by a, b
    limit 1
),
told as (
    insert into stream.identities (event_id, source, received_at, content_hash, occurred_at,
        day_only, lead_id, previous_lead_id)
    select 'bench:merge:' || %(day)s, 'crm', %(end)s, pg_temp.hash(0), %(end)s, false, lead_id,
        previous
    from two
),
linked as (
    insert into stream.identity_edges (lower_id, higher_id, first_at, equal, event_id)
    select least(one, other), greatest(one, other), %(end)s, true, 'bench:merge:' || %(day)s from two
)
update stream.identifiers i
set merged_into = two.one, parent_id = two.one, changed_in = stream.current_transaction()
from two
where i.id = two.other

-- name: revenue
-- Conversions of the day.
insert into stream.revenue (event_id, source, received_at, content_hash, occurred_at, day_only,
    account_id, kind, iacv, currency, term_months, product, properties)
select
    'bench:day:' || %(day)s || ':' || n, 'crm', %(end)s::timestamptz + %(day)s * interval '1 day',
    pg_temp.hash(n), %(end)s::timestamptz + (%(day)s - 0.5) * interval '1 day', false,
    'account-' || n * 7 + %(day)s, 'expansion', 9000, 'USD', 12, 'product-1', '{}'
from generate_series(1::bigint, 20) n

-- name: spend
-- What the campaigns cost that day.
insert into stream.spend (event_id, source, received_at, content_hash, kafka_offset, date,
    campaign_id, channel, amount, currency)
select
    'bench:day:' || %(day)s || ':' || campaign, 'ads', %(end)s::timestamptz + %(day)s * interval '1 day',
    pg_temp.hash(campaign), 1000000000::bigint * %(day)s + campaign, %(end)s::date + %(day)s - 1,
    pg_temp.campaign(campaign), pg_temp.channel(campaign), 100, 'USD'
from generate_series(0::bigint, %(campaigns)s - 1) campaign

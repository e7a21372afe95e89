-- name: count_inserted
-- Count touches as they become rows; goes on after `with inserted as (...)`. Sorted, so that two
-- workers cannot wait for each other. A touch counts where the account it names is, else where
-- its strongest identifier is, so that who is who can change without a count being rewritten.
, by_account as (
    insert into stream.account_touches as known
    select account_id, channel, count(*), min(occurred_at), max(occurred_at)
    from inserted where account_id is not null
    group by account_id, channel order by account_id, channel
    on conflict (account_id, channel) do update
    set touches = known.touches + excluded.touches,
        first_at = least(known.first_at, excluded.first_at),
        last_at = greatest(known.last_at, excluded.last_at)
),
by_identifier as (
    insert into stream.identifier_touches as known
    select identifier_id, channel, count(*), min(occurred_at), max(occurred_at)
    from inserted where account_id is null and identifier_id is not null
    group by identifier_id, channel order by identifier_id, channel
    on conflict (identifier_id, channel) do update
    set touches = known.touches + excluded.touches,
        first_at = least(known.first_at, excluded.first_at),
        last_at = greatest(known.last_at, excluded.last_at)
)
select count(*) from inserted

-- name: clear_counts
-- Forget what was counted for these accounts and identifiers.
with cleared as (
    delete from stream.identifier_touches where identifier_id = any(%(identifiers)s::uuid[])
)
delete from stream.account_touches where account_id = any(%(accounts)s)

-- name: touches_of
-- The touches that are counted for these accounts and identifiers; begins a count.
with inserted as (
    select account_id, identifier_id, channel, occurred_at from stream.touches
    where account_id = any(%(accounts)s)
    union all
    select account_id, identifier_id, channel, occurred_at from stream.touches
    where account_id is null and identifier_id = any(%(identifiers)s::uuid[])
)

-- name: touches_since
-- The touches that were stored since a snapshot, or all; begins a count.
with inserted as (
    select account_id, identifier_id, channel, occurred_at from stream.touches
    where %(seen)s::pg_snapshot is null or stream.is_new(stored_in, %(seen)s::pg_snapshot)
)

-- name: channels
-- An account's touches by channel, by who belongs to it as all is known now; after `people`.
, counted as (
    select channel, touches, first_at, last_at
    from stream.account_touches where account_id = %(account_id)s
    union all
    select c.channel, c.touches, c.first_at, c.last_at
    from people p
    join stream.identifier_accounts r on r.identifier_id = p.id and r.account_id = %(account_id)s
    join stream.identifier_touches c on c.identifier_id = p.id
)
select channel, sum(touches)::bigint, min(first_at), max(last_at)
from counted group by channel order by sum(touches) desc, channel

-- name: persons
-- How many persons belong to an account; after `people`.
select count(distinct r.person_id)
from people p
join stream.identifier_accounts r on r.identifier_id = p.id and r.account_id = %(account_id)s

-- name: won
-- IACV that an account has brought, by currency, and its last change of contract value.
select currency, coalesce(sum(iacv) filter (where iacv > 0), 0), max(occurred_at)
from stream.revenue where account_id = %(account_id)s
group by currency order by currency

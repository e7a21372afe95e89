-- name: staging_tables
-- The temporary tables of this connection.
select relname from pg_class where relnamespace = pg_my_temp_schema() and relkind = 'r'

-- name: read_progress
-- How far partitions have been stored, and what their latest records came to; held until commit,
-- so that no record is counted twice.
select topic, partition, next_offset, dead_run, recent_records, recent_dead
from stream.progress
where (topic, partition) in (select * from unnest(%s::text[], %s::integer[]))
order by topic, partition
for no key update

-- name: save_progress
-- Say how far each partition has been stored, in the transaction that stores it; a worker that
-- lost its partitions and does not know it yet cannot turn it back.
insert into stream.progress as progress
    (topic, partition, next_offset, dead_run, recent_records, recent_dead)
values %s
on conflict (topic, partition) do update
set next_offset = greatest(progress.next_offset, excluded.next_offset),
    dead_run = excluded.dead_run, recent_records = excluded.recent_records,
    recent_dead = excluded.recent_dead, updated_at = now()

-- name: people
-- Identifiers that may belong to an account, by all that links them to it; begins a query.
with recursive named as (
    -- identifiers linked to the account, of its deals, and addresses of its domain
    select identifier_id as id from stream.account_links where account_id = %(account_id)s
    union
    select identifier_id from stream.opportunities
    where account_id = %(account_id)s and identifier_id is not null
    union
    select i.id
    from stream.accounts a
    join stream.identifiers i on i.domain = a.web_domain
    where a.account_id = %(account_id)s
),
reached as (
    -- up and down from them, to reach every identifier of theirs, be it shared with others, and
    -- once aside, to persons whom nothing else gives an account
    select id, false as aside from named
    union
    select near.id, p.aside or near.aside
    from reached p
    cross join lateral (
        select i.parent_id as id, false as aside from stream.identifiers i
        where i.id = p.id and i.parent_id is not null
        union all
        select i.id, false from stream.identifiers i where i.parent_id = p.id
        union all
        select i.id, i.shared_rank is null
        from stream.identity_edges e
        join stream.identifiers i on i.id = e.lower_id
        where e.higher_id = p.id and not e.equal and (i.shared_rank is not null
            or (not p.aside and i.parent_id <> p.id))
        union all
        select d.lower_id, false from stream.identity_decisions d where d.higher_id = p.id
    ) near
),
people as (
    select distinct id from reached
)

-- name: timeline
-- All events of one account in order: touches of its people, revenue, and steps of its deals.
, touches as (
    select t.*
    from stream.touches t
    where t.account_id = %(account_id)s
    union all
    select t.*
    from people p
    join stream.identifier_accounts r on r.identifier_id = p.id and r.account_id = %(account_id)s
    join stream.touches t on t.identifier_id = p.id and t.account_id is null
)
select occurred_at, day_only, 'touch' as entry, coalesce(touch_type, 'touch') as kind,
       channel, campaign_id,
       coalesce(lead_id, contact_id, email, user_id, device_id, anonymous_id) as person,
       null::numeric as iacv, null as currency, event_id
from touches
union all
select occurred_at, day_only, 'revenue', kind, null, null, coalesce(lead_id, contact_id), iacv, currency, event_id
from stream.revenue where account_id = %(account_id)s
union all
select occurred_at, day_only, 'opportunity', stage, null, null, coalesce(lead_id, contact_id), null, null, event_id
from stream.opportunities where account_id = %(account_id)s
order by 1, 3 desc, 10

-- name: staging
-- Where facts of identity wait for their insert; emptied by each commit.
create temporary table staging_identifier (id uuid, kind text, value text, rank smallint)
    on commit delete rows;
create temporary table staging_edge
    (lower_id uuid, higher_id uuid, first_at timestamptz, last_at timestamptz)
    on commit delete rows;
create temporary table staging_link
    (identifier_id uuid, account_id text, strength smallint, first_at timestamptz,
     last_at timestamptz)
    on commit delete rows

-- name: next_offsets
-- How far each partition has been stored.
select topic, partition, next_offset from stream.progress where topic = any(%s)

-- name: save_progress
-- Say how far each partition has been stored, in the transaction that stores it; a worker that
-- lost its partitions and does not know it yet cannot turn it back.
insert into stream.progress as progress (topic, partition, next_offset)
values %s
on conflict (topic, partition) do update
set next_offset = greatest(progress.next_offset, excluded.next_offset), updated_at = now()

-- name: save_dead_letters
-- Keep what cannot become a row; read again, it is the same dead letter.
insert into stream.dead_letters
    (topic, partition, kafka_offset, received_at, reason, detail, event_id, message_key, payload)
values %s
on conflict do nothing

-- name: add_identifiers
-- Make identifiers known; sorted by id, so that two workers cannot wait for each other.
insert into stream.identifiers (id, kind, value, rank)
select id, kind, value, rank from staging_identifier order by id
on conflict do nothing

-- name: lock_identifiers
-- Hold the lower ends of new edges, in order, until their parents are right again.
select id from stream.identifiers
where id in (select lower_id from staging_edge)
order by id
for no key update

-- name: add_edges
-- Add facts that two identifiers are one person's, or widen the times of known ones.
insert into stream.identity_edges as edge (lower_id, higher_id, first_at, last_at)
select lower_id, higher_id, first_at, last_at from staging_edge order by lower_id, higher_id
on conflict (lower_id, higher_id) do update
set first_at = least(edge.first_at, excluded.first_at),
    last_at = greatest(edge.last_at, excluded.last_at)
where excluded.first_at < edge.first_at or excluded.last_at > edge.last_at

-- name: set_parents
-- The parent of an identifier: of its neighbours of higher rank the strongest, then the earliest.
update stream.identifiers as lower
set parent_id = best.higher_id
from (
    select distinct on (edge.lower_id) edge.lower_id, edge.higher_id
    from stream.identity_edges as edge
    join stream.identifiers as higher on higher.id = edge.higher_id
    where edge.lower_id in (select lower_id from staging_edge)
    order by edge.lower_id, higher.rank desc, edge.first_at, edge.higher_id
) as best
where lower.id = best.lower_id and lower.parent_id is distinct from best.higher_id

-- name: add_account_links
-- Add facts that a person belongs to an account, or widen the times of known ones.
insert into stream.account_links as link (identifier_id, account_id, strength, first_at, last_at)
select identifier_id, account_id, strength, first_at, last_at from staging_link
order by identifier_id, account_id
on conflict (identifier_id, account_id) do update
set strength = greatest(link.strength, excluded.strength),
    first_at = least(link.first_at, excluded.first_at),
    last_at = greatest(link.last_at, excluded.last_at)
where excluded.strength > link.strength
   or excluded.first_at < link.first_at or excluded.last_at > link.last_at

-- name: timeline
-- All events of one account in order: touches of its people, revenue, and steps of its deals.
with recursive people as (
    -- up and down from the people linked to the account, to reach every identifier of theirs
    select identifier_id as id from stream.account_links where account_id = %(account_id)s
    union
    select case when i.id = p.id then i.parent_id else i.id end
    from people p
    join stream.identifiers i on i.id = p.id or i.parent_id = p.id
    where case when i.id = p.id then i.parent_id else i.id end is not null
),
touches as (
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
       coalesce(lead_id, email, user_id, anonymous_id) as person,
       null::numeric as iacv, null as currency, event_id
from touches
union all
select occurred_at, day_only, 'revenue', kind, null, null, lead_id, iacv, currency, event_id
from stream.revenue where account_id = %(account_id)s
union all
select occurred_at, day_only, 'opportunity', stage, null, null, lead_id, null, null, event_id
from stream.opportunities where account_id = %(account_id)s
order by 1, 3 desc, 10

-- name: count_dead_letters
-- How many records failed for each reason.
select reason, count(*) from stream.dead_letters group by reason order by count(*) desc, reason

-- name: latest_dead_letters
-- The records that failed last.
select topic, partition, kafka_offset, received_at, reason, detail, event_id, payload
from stream.dead_letters
order by received_at desc, topic, partition, kafka_offset desc
limit %s

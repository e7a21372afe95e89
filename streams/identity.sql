-- name: staging
-- Where facts of identity wait for their insert; emptied by each commit.
create temporary table if not exists staging_identifier
    (id uuid, kind text, value text, rank smallint, domain text)
    on commit delete rows;
create temporary table if not exists staging_edge
    (lower_id uuid, higher_id uuid, equal boolean, first_at timestamptz, event_id text)
    on commit delete rows;
create temporary table if not exists staging_link
    (identifier_id uuid, account_id text, strength smallint, first_at timestamptz, event_id text)
    on commit delete rows;
create temporary table if not exists staging_dirty (id uuid) on commit delete rows;
create temporary table if not exists staging_former (id uuid) on commit delete rows;
create temporary table if not exists staging_merge (id uuid, merged_into uuid) on commit delete rows;
create temporary table if not exists staging_member (rep uuid, id uuid) on commit delete rows;
create temporary table if not exists staging_parent (id uuid, parent_id uuid, shared_rank smallint)
    on commit delete rows

-- name: lock_shared
-- Others may add facts at the same time, but merge no equals.
select pg_advisory_xact_lock_shared(7202617)

-- name: lock_alone
-- Nobody else adds facts or decides about them meanwhile.
select pg_advisory_xact_lock(7202617)

-- name: epoch
-- Another than before once facts were removed, or their tables replaced.
select epoch, 'stream.identifiers'::regclass::oid, 'stream.identity_edges'::regclass::oid,
    'stream.account_links'::regclass::oid
from stream.identity_epoch

-- name: add_identifiers
-- Make identifiers known; sorted by id, so that two workers cannot wait for each other.
insert into stream.identifiers (id, kind, value, rank, domain)
select id, kind, value, rank, domain from staging_identifier order by id
on conflict do nothing

-- name: drop_known_edges
-- Leave only edges that are new or were said earlier than is known. Here and below events of one
-- moment are in the order of their bytes, as in Python, whatever the database's collation.
delete from staging_edge s
using stream.identity_edges e
where e.lower_id = s.lower_id and e.higher_id = s.higher_id
  and (e.first_at, e.event_id collate "C") <= (s.first_at, s.event_id)

-- name: find_dirty
-- Identifiers whose parent the edges may change; one that is shared stays so until something
-- stronger is known of it.
insert into staging_dirty
select distinct coalesce(lower.merged_into, lower.id)
from staging_edge s
join stream.identifiers lower on lower.id = s.lower_id
join stream.identifiers higher on higher.id = s.higher_id
where not s.equal and (lower.shared_rank is null or higher.rank > lower.shared_rank)

-- name: lock_dirty
-- Hold them, in order, until their parents are right again, and those that are marked afterwards.
select id from stream.identifiers
where id in (select id from staging_dirty union all select id from staging_former)
order by id
for no key update

-- name: add_edges
-- Add facts that two identifiers are one person's; each keeps the event that said so first.
insert into stream.identity_edges as edge (lower_id, higher_id, equal, first_at, event_id)
select lower_id, higher_id, equal, first_at, event_id
from staging_edge
order by lower_id, higher_id
on conflict (lower_id, higher_id) do update
set first_at = excluded.first_at, event_id = excluded.event_id, changed_in = excluded.changed_in
where (excluded.first_at, excluded.event_id collate "C") < (edge.first_at, edge.event_id)
   or edge.event_id is null

-- name: find_members
-- Equals that are one have one parent: all of them, by the one that stands for them. What is looked
-- up here and below is looked up row by row ("offset 0" keeps it so), because a plan made from
-- statistics of tables that have just grown would read them whole for each batch.
delete from staging_member;
delete from staging_parent;
with rep as (
    select distinct coalesce(i.merged_into, i.id) as id
    from staging_dirty d
    cross join lateral (
        select i.id, i.merged_into from stream.identifiers i where i.id = d.id offset 0
    ) i
)
insert into staging_member
select id, id from rep
union all
select rep.id, i.id
from rep
cross join lateral (
    select i.id from stream.identifiers i where i.merged_into = rep.id offset 0
) i

-- name: find_parents
-- The parent of an identifier: of those of the highest rank that it leads to the earliest, or none
-- where they are too many. Equals reach it by way of the one that stands for them.
with edge as (
    -- as in the view standing_edges
    select m.rep, e.higher_id, e.first_at
    from staging_member m
    cross join lateral (
        select e.higher_id, e.first_at
        from stream.identity_edges e
        where e.lower_id = m.id and not e.equal and not exists (
            select from stream.standing_decisions d
            where d.lower_id = e.lower_id and d.higher_id = e.higher_id and d.decision = 'cut'
        )
        offset 0
    ) e
    union all
    select m.rep, d.higher_id, d.decided_at
    from staging_member m
    cross join lateral (
        select d.lower_id, d.higher_id, d.decided_at
        from stream.standing_decisions d
        where d.lower_id = m.id and not d.equal and d.decision = 'merge'
        offset 0
    ) d
    where not exists (
        select from stream.identity_edges e
        where e.lower_id = d.lower_id and e.higher_id = d.higher_id
    )
),
candidate as (
    select e.rep, h.rank, h.id, min(e.first_at) as first_at
    from edge e
    cross join lateral (
        select i.rank, coalesce(i.merged_into, i.id) as id
        from stream.identifiers i where i.id = e.higher_id
        offset 0
    ) h
    group by 1, 2, 3
),
placed as (
    select
        rep, rank, id,
        count(*) over (partition by rep, rank) as rivals,
        row_number() over (partition by rep order by rank desc, first_at, id) as place
    from candidate
)
insert into staging_parent
select i.id, new.parent_id, new.shared_rank
from staging_member m
left join placed best on best.rep = m.rep and best.place = 1
cross join lateral (
    select (%(most)s::jsonb ->> r.kind)::int as most
    from stream.identifiers r where r.id = m.rep
    offset 0
) r
cross join lateral (
    select
        case
            when m.id <> m.rep then m.rep
            when best.rivals <= r.most then best.id
        end as parent_id,
        case when best.rivals > r.most then best.rank end as shared_rank
) new
cross join lateral (
    select i.id, i.parent_id, i.shared_rank from stream.identifiers i where i.id = m.id offset 0
) i
where (i.parent_id, i.shared_rank) is distinct from (new.parent_id, new.shared_rank)

-- name: set_parents
-- Let them have the parents that were found.
update stream.identifiers i
set parent_id = new.parent_id, shared_rank = new.shared_rank,
    changed_in = stream.current_transaction()
from staging_parent new
where i.id = new.id

-- name: add_account_links
-- Add facts that a person belongs to an account; each keeps its strongest, then first statement.
insert into stream.account_links as link (identifier_id, account_id, strength, first_at, event_id)
select identifier_id, account_id, strength, first_at, event_id
from staging_link s
where not exists (
    select from stream.account_links k
    where k.identifier_id = s.identifier_id and k.account_id = s.account_id
      and (-k.strength, k.first_at, k.event_id collate "C")
        <= (-s.strength, s.first_at, s.event_id)
)
order by identifier_id, account_id
on conflict (identifier_id, account_id) do update
set strength = excluded.strength, first_at = excluded.first_at, event_id = excluded.event_id,
    changed_in = excluded.changed_in
where (-excluded.strength, excluded.first_at, excluded.event_id collate "C")
        < (-link.strength, link.first_at, link.event_id)
   or link.event_id is null

-- name: former_opportunities
-- Note whom deals name that are about to be corrected to name somebody else.
insert into staging_former
select o.identifier_id
from staging_opportunities new
join stream.opportunities o using (event_id)
where new.occurred_at > o.occurred_at and o.identifier_id is not null
  and o.identifier_id is distinct from new.identifier_id
order by event_id
for no key update of o

-- name: former_accounts
-- Note the addresses of domains that accounts are about to be corrected to have no more.
insert into staging_former
select i.id
from (
    select a.web_domain
    from staging_accounts new
    join stream.accounts a using (event_id)
    where new.occurred_at > a.occurred_at and a.web_domain is distinct from new.web_domain
    order by event_id
    for no key update of a
) former
join stream.identifiers i on i.domain = former.web_domain

-- name: mark_former
-- Tell that the person or account of some may be another, though no fact speaks of them any more.
with held as (
    select id from stream.identifiers
    where id in (select id from staging_former)
    order by id
    for no key update
)
update stream.identifiers i
set changed_in = stream.current_transaction()
from held
where i.id = held.id

-- name: equals_around
-- All identifiers that equal edges reach from some, be they cut or not, and those merged with them.
with recursive around (id) as (
    select unnest(%(ids)s::uuid[])
    union
    select near.id
    from around a
    cross join lateral (
        select e.higher_id as id from stream.identity_edges e where e.lower_id = a.id and e.equal
        union all
        select e.lower_id from stream.identity_edges e where e.higher_id = a.id and e.equal
        union all
        select d.higher_id from stream.identity_decisions d where d.lower_id = a.id and d.equal
        union all
        select d.lower_id from stream.identity_decisions d where d.higher_id = a.id and d.equal
    ) near
)
select id from around

-- name: all_equals
-- Every identifier that has an equal.
select lower_id from stream.identity_edges where equal
union
select higher_id from stream.identity_edges where equal
union
select unnest(array[lower_id, higher_id]) from stream.identity_decisions where equal
union
select id from stream.identifiers where merged_into is not null

-- name: standing_equals
-- Of some identifiers the pairs that are one person's by an explicit fact that stands.
select lower_id, higher_id
from stream.standing_edges
where equal and lower_id = any(%(ids)s::uuid[])

-- name: set_merges
-- Say which of equals stands for them, and note whose parents that may change.
with merged as (
    update stream.identifiers i
    set merged_into = s.merged_into, changed_in = stream.current_transaction()
    from staging_merge s
    where i.id = s.id and i.merged_into is distinct from s.merged_into
    returning i.id
),
moved as (
    select id from staging_merge where exists (select from merged)
)
insert into staging_dirty
select id from moved
union
select e.lower_id from stream.identity_edges e join moved on moved.id = e.higher_id
where not e.equal
union
select d.lower_id from stream.identity_decisions d join moved on moved.id = d.higher_id
where not d.equal

-- name: all_dirty
-- Every identifier, for a refresh of all that is derived.
insert into staging_dirty select id from stream.identifiers

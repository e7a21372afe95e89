-- name: person
-- All identifiers of the person whom one of them leads to, by all that is known now.
select i.id::text, i.kind, i.value, p.person_id::text
from stream.identifier_persons p
join stream.identifiers i on i.id = p.identifier_id
where p.person_id = (select person_id from stream.identifier_persons where identifier_id = %s)
order by i.rank desc, i.kind, i.value

-- name: neighbours
-- Identifiers of others that facts or operators join to the person's, that are derived from them,
-- or of which an event was the first to speak that is to go.
select id::text from (
    select higher_id as id from stream.identity_edges where lower_id = any(%(ids)s::uuid[])
    union
    select lower_id from stream.identity_edges where higher_id = any(%(ids)s::uuid[])
    union
    select id from stream.identifiers
    where parent_id = any(%(ids)s::uuid[]) or merged_into = any(%(ids)s::uuid[])
    union
    select unnest(array[lower_id, higher_id]) from stream.identity_decisions
    where lower_id = any(%(ids)s::uuid[]) or higher_id = any(%(ids)s::uuid[])
    union
    select unnest(array[lower_id, higher_id]) from stream.identity_edges
    where event_id = any(%(events)s)
    union
    select identifier_id from stream.account_links where event_id = any(%(events)s)
    union
    select identifier_id from stream.touches where event_id = any(%(events)s)
    union
    select identifier_id from stream.lead_statuses where event_id = any(%(events)s)
    union
    select identifier_id from stream.usage where event_id = any(%(events)s)
) near
where id <> all(%(ids)s::uuid[])

-- name: accounts
-- Accounts that touches and identifiers belong to, by all that is known now.
select account_id from stream.resolved_touches where event_id = any(%(touches)s)
union
select account_id from stream.identifier_accounts where identifier_id = any(%(ids)s::uuid[])

-- name: beside_attribution
-- Whether no fit and no restatement is at work, and none may begin until commit.
select pg_try_advisory_xact_lock(7202615)

-- name: beside_live
-- Wait until the deals in hand are credited; the next ones wait until commit.
select pg_advisory_xact_lock(7202621)

-- name: places
-- Columns outside the events that may tell of a person: identifiers by their id, or by name, and
-- references to events. Those that whoever asks has no rights on too: forgetting fails on them,
-- rather than leave somebody there.
select n.nspname, c.relname, a.attname, a.atttypid = 'uuid'::regtype, not a.attnotnull
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname = any(%(schemas)s)
  and a.attnum > 0 and not a.attisdropped
  and not (n.nspname = 'stream' and c.relname = any(%(but)s))
  and (
      a.atttypid = 'uuid'::regtype
      or a.atttypid in ('text'::regtype, 'varchar'::regtype) and a.attname = any(%(named)s)
  )
order by 1, 2, 3

-- name: move_touch
-- Count a touch that stays under an identifier that is left to it.
update stream.touches set identifier_id = %(identifier)s where event_id = %(event_id)s

-- name: detach
-- Let go of identifiers that are to be deleted.
update stream.identifiers
set parent_id = case when parent_id <> all(%(ids)s::uuid[]) then parent_id end,
    merged_into = case when merged_into <> all(%(ids)s::uuid[]) then merged_into end
where parent_id = any(%(ids)s::uuid[]) or merged_into = any(%(ids)s::uuid[])

-- name: delete_identifiers
-- Forget identifiers.
delete from stream.identifiers where id = any(%(ids)s::uuid[])

-- name: orphans
-- Of some identifiers those that nothing says anything of any more; opportunities make none.
select i.id::text from stream.identifiers i
where i.id = any(%(ids)s::uuid[])
  and not exists (select from stream.touches t where t.identifier_id = i.id)
  and not exists (select from stream.lead_statuses s where s.identifier_id = i.id)
  and not exists (select from stream.usage u where u.identifier_id = i.id)
  and not exists (select from stream.account_links l where l.identifier_id = i.id)
  and not exists (select from stream.identity_edges e where e.lower_id = i.id)
  and not exists (select from stream.identity_edges e where e.higher_id = i.id)

-- name: raise_epoch
-- Tell writers that facts were removed, so that they forget what they know to be stored.
update stream.identity_epoch set epoch = epoch + 1

-- name: log
-- That somebody was forgotten, without saying who.
insert into stream.erasures (hash, rows) values (%s, %s)

-- name: columns
-- The columns of a table, in order.
select attname from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped
order by attnum

-- name: staging_tables
-- The temporary tables in which facts wait for their insert.
select relname from pg_class
where relnamespace = pg_my_temp_schema() and relkind = 'r' and starts_with(relname, 'staging_')

-- name: one_at_a_time
-- Be the only replay until the connection ends; one that was killed is given time to be gone, and
-- this one is to be gone soon after it is killed.
set client_connection_check_interval = '1s';
set lock_timeout = '5s';
select pg_advisory_lock(7202618);
set lock_timeout = 0

-- name: count_events
-- How many events of a type there are, or how many a reader with that snapshot did not see.
select count(*) from stream.{table}
where %(seen)s::pg_snapshot is null or stream.is_new(stored_in, %(seen)s::pg_snapshot)

-- name: first_of_people
-- The first event of each set of people and account that events name together, and how many do:
-- later ones say nothing more of who is who.
select distinct on ({names}) count(*) over (partition by {names}), event_id, occurred_at, {names}
from stream.{table}
where %(seen)s::pg_snapshot is null or stream.is_new(stored_in, %(seen)s::pg_snapshot)
order by {names}, occurred_at, event_id collate "C"

-- name: snapshot
-- What this transaction sees, to tell later what it did not.
select pg_current_snapshot()::text

-- name: raise_epoch
-- Tell writers that facts may have been removed, so that they forget what they know to be stored.
update stream.identity_epoch set epoch = epoch + 1

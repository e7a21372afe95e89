-- name: begin
-- Wait while somebody is being forgotten, then learn who was; each statement sees what was
-- committed before it began.
select pg_advisory_xact_lock_shared(7202616);
select hash, number, (select fingerprint from stream.suppression_key)
from stream.suppressions
where number > %s

-- name: share
-- Wait while somebody is being forgotten or derived state is mended, and hold both off.
select pg_advisory_xact_lock_shared(7202616)

-- name: hold
-- Wait for every worker's transaction, and let none begin, until commit.
select pg_advisory_xact_lock(7202616)

-- name: fingerprint
-- Which key suppressions were made with.
select fingerprint from stream.suppression_key

-- name: keep_fingerprint
-- Say which key suppressions are made with.
insert into stream.suppression_key (fingerprint) values (%s)

-- name: add
-- Suppress identifiers from now on.
insert into stream.suppressions (hash)
select unnest(%s::bytea[])
on conflict do nothing

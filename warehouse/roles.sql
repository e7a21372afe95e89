-- name: lock
-- Two that make roles at once take turns.
select pg_advisory_xact_lock(7202620)

-- name: existing_roles
-- Those of the roles that are there; roles belong to all databases of a server.
select rolname from pg_roles where rolname = any(%(roles)s)

-- name: is_superuser
-- Whether whoever is connected needs no membership.
select rolsuper from pg_roles where rolname = current_user

-- name: this_database
-- The database that is connected to.
select current_database()

-- name: schemas
-- All schemas.
select nspname from pg_namespace

-- name: owned_by_others
-- Tables and views of a schema that do not belong to the role.
select c.relname
from pg_class c
where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind in ('r', 'v', 'm', 'p')
    and pg_get_userbyid(c.relowner) <> %(role)s

-- name: roles_are_used
-- Whether the marts belong to the role that transforms.
select exists (
    select from pg_namespace where nspname = 'marts' and pg_get_userbyid(nspowner) = %(role)s
)

"""Fill the tables of real writes with earlier events, by SQL and with indexes made after."""

import time

from bizops.database import Connection

__all__ = ["drop_indexes", "fill"]

STEP = 5_000_000
FILLED = ("touches", "identifiers", "identifier_touches")


def fill(connection: Connection, events: int) -> float:
    """Store ``events`` touches of a fifth as many visitors; returns the seconds it took.

    The rows are as the stream makes them, but for what it would have hashed: a content hash is
    random, and an identifier's id is the md5 of its name rather than its blake2b.
    """
    began = time.monotonic()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("set maintenance_work_mem = '1GB'")
        cursor.execute("set max_parallel_maintenance_workers = 2")
        cursor.execute("set synchronous_commit = off")
        restore = [make for table in FILLED for make in drop_indexes(cursor, table)]
        for first in range(0, events, STEP):
            last = min(first + STEP, events) - 1
            cursor.execute(TOUCHES, {"first": first, "last": last, "visitors": events // 5})
        cursor.execute(IDENTIFIERS, {"visitors": events // 5})
        cursor.execute(COUNTED)
        for statement in restore:
            cursor.execute(statement)
        for table in FILLED:
            cursor.execute(f"analyze stream.{table}")
        cursor.execute("checkpoint")
    connection.autocommit = False
    return time.monotonic() - began


TOUCHES = """
insert into stream.touches
    (event_id, source, received_at, content_hash, occurred_at, day_only, channel, campaign_id,
     anonymous_id, identifier_id, touch_type, properties)
select 'bench:past:' || lpad(n::text, 9, '0'), 'bench', now() - n * interval '1 second',
       decode(md5(n::text), 'hex'), timestamptz '2025-01-01' + n %% 31536000 * interval '1 second',
       false, 'email', 'campaign-' || n %% 40, 'past-' || n * 7919 %% %(visitors)s,
       md5('past-' || n * 7919 %% %(visitors)s)::uuid, 'open', '{}'
from generate_series(%(first)s::bigint, %(last)s) as n
"""

IDENTIFIERS = """
insert into stream.identifiers (id, kind, value, rank)
select md5('past-' || n)::uuid, 'anonymous_id', 'past-' || n, 0
from generate_series(0::bigint, %(visitors)s - 1) as n
"""

COUNTED = """
insert into stream.identifier_touches
select id, 'email', 5, '2025-01-01', '2025-12-31' from stream.identifiers
"""


def drop_indexes(cursor: object, table: str) -> list[str]:
    """Drop all indexes and constraints that hold one; returns what makes them again."""
    cursor.execute(  # type: ignore[attr-defined]
        """
        select 'alter table ' || conrelid::regclass || ' drop constraint ' || quote_ident(conname)
                   || ' cascade',
               'alter table ' || conrelid::regclass || ' add constraint ' || quote_ident(conname)
                   || ' ' || pg_get_constraintdef(oid)
        from pg_constraint
        where contype in ('p', 'u') and conrelid = ('stream.' || %(table)s)::regclass
        union all
        select 'drop index ' || indexrelid::regclass, pg_get_indexdef(indexrelid)
        from pg_index
        where indrelid = ('stream.' || %(table)s)::regclass
          and not exists (select from pg_constraint where conindid = indexrelid)
        """,
        {"table": table},
    )
    pairs = cursor.fetchall()  # type: ignore[attr-defined]
    cursor.execute(  # type: ignore[attr-defined]
        """
        select 'alter table ' || conrelid::regclass || ' add constraint ' || quote_ident(conname)
               || ' ' || pg_get_constraintdef(oid)
        from pg_constraint
        where contype = 'f' and confrelid = ('stream.' || %(table)s)::regclass
        """,
        {"table": table},
    )
    foreign = [row[0] for row in cursor.fetchall()]  # type: ignore[attr-defined]
    for drop, _ in pairs:
        cursor.execute(drop)  # type: ignore[attr-defined]
    return [make for _, make in pairs] + foreign

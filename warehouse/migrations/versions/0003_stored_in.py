"""Which transaction stored an event, so that "what is new since then" has an exact answer.

An event's own time and Kafka's say nothing about when PostgreSQL showed it to readers; the id of
the transaction, held against the snapshot a reader took, does: a row is new to that reader when
its ``stored_in`` is not visible in the snapshot.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = (
    "touches", "revenue", "spend", "identities", "accounts", "campaigns", "lift_tests",
    "opportunities",
)  # fmt: skip


def upgrade() -> None:
    op.execute("""
create function stream.current_transaction() returns bigint
    language sql stable parallel safe
    return pg_current_xact_id()::text::bigint;
comment on function stream.current_transaction() is
    'id of this transaction, never used twice in the life of a cluster';

create function stream.is_new(stored_in bigint, seen pg_snapshot) returns boolean
    language sql immutable parallel safe
    return stored_in >= pg_snapshot_xmin(seen)::text::bigint
       and not pg_visible_in_snapshot(stored_in::text::xid8, seen);
comment on function stream.is_new(bigint, pg_snapshot) is
    'whether a row stored by that transaction was not there yet for a reader with that snapshot';
""")
    for table in TABLES:
        op.execute(f"""
alter table stream.{table}
    add column stored_in bigint not null default stream.current_transaction();
comment on column stream.{table}.stored_in is 'id of the transaction that stored or corrected it';
create index {table}_by_transaction on stream.{table} using brin (stored_in)
    with (pages_per_range = 32, autosummarize = on);
""")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"alter table stream.{table} drop column stored_in")
    op.execute("drop function stream.is_new(bigint, pg_snapshot), stream.current_transaction()")

"""How many dead letters came of late, which of them were dropped, and who is to stay forgotten.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UPGRADE = """
alter table stream.progress
    add column dead_run integer not null default 0,
    add column recent_records integer not null default 0,
    add column recent_dead double precision not null default 0;
comment on column stream.progress.dead_run is 'dead letters in a row up to next_offset';
comment on column stream.progress.recent_records is
    'records that recent_dead is counted over: all at first, then about the latest 1,000';

alter table stream.dead_letters add column dropped_at timestamptz;
comment on column stream.dead_letters.dropped_at is
    'since when only this marker is kept, so that reading Kafka again does not bring it back';

create table stream.suppressions (
    hash          bytea primary key,
    number        bigint generated always as identity unique,
    suppressed_at timestamptz not null default now()
);
comment on table stream.suppressions is
    'one row per forgotten identifier, as a keyed hash: events that name it are not stored';

create table stream.suppression_key (
    is_the_only_row boolean primary key default true check (is_the_only_row),
    fingerprint     bytea not null
);
comment on table stream.suppression_key is
    'tells whether a key is the one that suppressions were made with; the key itself is not here';

create table stream.erasures (
    erased_at     timestamptz not null default now(),
    hash          bytea not null,
    rows          jsonb not null
);
comment on table stream.erasures is
    'one row per `bizops forget`: a keyed hash of what was asked for, and how many rows went where';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
drop table stream.suppressions, stream.suppression_key, stream.erasures;
alter table stream.dead_letters drop column dropped_at;
alter table stream.progress drop column dead_run, drop column recent_records,
    drop column recent_dead;
""")

"""What the metrics of a business need besides touches and revenue: a table a type of event.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Columns that all event tables share, as in 0001 and 0003.
HEAD = """
    event_id      text primary key,
    source        text not null,
    received_at   timestamptz not null,
    content_hash  bytea not null,
    stored_in     bigint not null default stream.current_transaction()"""
TIMED = (
    HEAD
    + """,
    occurred_at   timestamptz not null,
    day_only      boolean not null"""
)
DATED = (
    HEAD
    + """,
    kafka_offset  bigint not null,
    date          date not null"""
)

TABLES = {
    "exchange_rates": f"""{DATED},
    currency      text not null,
    to_currency   text not null,
    rate          numeric not null""",
    "products": f"""{DATED},
    product         text,
    margin          double precision,
    retention_years double precision""",
    "targets": f"""{DATED},
    period        text not null,
    metric        text not null,
    value         numeric not null,
    currency      text""",
    "lead_statuses": f"""{TIMED},
    identifier_id uuid,
    lead_id       text not null,
    contact_id    text,
    email         text,
    account_id    text,
    status        text not null,
    reason        text""",
    "invoices": f"""{TIMED},
    invoice_id    text not null,
    account_id    text not null,
    amount        numeric not null,
    currency      text not null,
    due_on        date,
    opportunity_id text""",
    "payments": f"""{TIMED},
    account_id    text not null,
    amount        numeric not null,
    currency      text not null,
    invoice_id    text""",
    "ledger": f"""{DATED},
    entry         text not null,
    amount        numeric not null,
    currency      text not null,
    note          text""",
    "usage": f"""{TIMED},
    identifier_id uuid,
    feature       text not null,
    account_id    text,
    user_id       text,
    times         bigint not null""",
    "experiments": f"""{DATED},
    experiment_id text not null,
    variant       text not null,
    is_control    boolean not null,
    subjects      bigint not null,
    successes     bigint not null,
    feature       text""",
    "applications": f"""{TIMED},
    application_id text not null,
    step          text not null,
    requirement   text,
    score         double precision""",
    "surveys": f"""{TIMED},
    audience      text not null,
    score         integer not null,
    account_id    text""",
    "employees": f"""{TIMED},
    employee_id   text not null,
    status        text not null,
    termination   text,
    department    text""",
    "merge_requests": f"""{TIMED},
    merge_request_id text not null,
    state         text not null,
    author        text not null,
    is_community  boolean not null""",
}

BESIDES = """
comment on table stream.exchange_rates is
    'one row per event: what a unit of currency is worth in to_currency from a day on';
comment on table stream.products is
    'one row per event: margin and retention of a product (null: of all others) from a day on';
create index lead_statuses_by_identifier on stream.lead_statuses (identifier_id);
create index usage_by_identifier on stream.usage (identifier_id) where identifier_id is not null;

create view stream.resolved_usage with (security_barrier) as
select
    u.event_id, u.occurred_at, u.day_only, u.received_at, u.stored_in, u.feature, u.times,
    coalesce(u.account_id, r.account_id) as account_id,
    r.person_id
from stream.usage u
left join stream.identifier_accounts r using (identifier_id);
comment on view stream.resolved_usage is
    'one row per usage event, with the account it belongs to by all that is known now';

create view stream.resolved_lead_statuses with (security_barrier) as
select
    s.event_id, s.occurred_at, s.day_only, s.received_at, s.stored_in, s.lead_id, s.status,
    s.reason,
    coalesce(s.account_id, r.account_id) as account_id,
    r.person_id
from stream.lead_statuses s
left join stream.identifier_accounts r using (identifier_id);
comment on view stream.resolved_lead_statuses is
    'one row per change of a lead''s status, with its person and account by all that is known now';
"""


def upgrade() -> None:
    for table, columns in TABLES.items():
        op.execute(f"""
create table stream.{table} ({columns});
comment on column stream.{table}.stored_in is 'id of the transaction that stored or corrected it';
create index {table}_by_transaction on stream.{table} using brin (stored_in)
    with (pages_per_range = 32, autosummarize = on);
""")
    op.execute(BESIDES)


def downgrade() -> None:
    op.execute("drop view stream.resolved_usage, stream.resolved_lead_statuses")
    for table in TABLES:
        op.execute(f"drop table stream.{table}")

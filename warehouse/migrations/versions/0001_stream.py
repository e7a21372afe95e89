"""Events as they came, who is who, and how far the stream has read.

Revision ID: 0001
Revises:
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Columns that all event tables share. `received_at` is the time Kafka gave the message, so that
# reading it again gives the same row; `occurred_at` is the start of the day where `day_only`.
HEAD = """
    event_id      text primary key,
    source        text not null,
    received_at   timestamptz not null,
    content_hash  bytea not null"""
TIMED = (
    HEAD
    + """,
    occurred_at   timestamptz not null,
    day_only      boolean not null"""
)

UPGRADE = f"""
create schema stream;

create table stream.touches ({TIMED},
    channel       text not null,
    campaign_id   text not null,
    account_id    text,
    lead_id       text,
    email         text,
    user_id       text,
    anonymous_id  text,
    identifier_id uuid,
    touch_type    text,
    collateral_id text,
    creative_id   text,
    utm_source    text,
    utm_medium    text,
    utm_campaign  text,
    utm_content   text,
    utm_term      text,
    properties    jsonb not null
);
comment on column stream.touches.identifier_id is
    'the strongest identifier of a person the touch itself carries; null if only an account';
create index touches_by_identifier on stream.touches (identifier_id);
create index touches_by_account on stream.touches (account_id) where account_id is not null;

create table stream.revenue ({TIMED},
    account_id     text not null,
    kind           text not null,
    iacv           numeric not null,
    currency       text not null,
    opportunity_id text,
    lead_id        text,
    arr            numeric,
    tcv            numeric,
    term_months    integer,
    product        text,
    properties     jsonb not null
);
create index revenue_by_account on stream.revenue (account_id);

create table stream.spend ({HEAD},
    kafka_offset  bigint not null,
    date          date not null,
    campaign_id   text not null,
    channel       text not null,
    amount        numeric not null,
    currency      text not null,
    impressions   bigint,
    clicks        bigint,
    creative_id   text
);

create table stream.identities ({TIMED},
    account_id    text,
    lead_id       text,
    email         text,
    user_id       text,
    anonymous_id  text
);

create table stream.accounts ({TIMED},
    account_id    text not null,
    name          text,
    domain        text,
    industry      text,
    segment       text,
    employees     bigint,
    country       text
);
create index accounts_by_account on stream.accounts (account_id);

create table stream.campaigns ({TIMED},
    campaign_id   text not null,
    name          text,
    channel       text,
    starts_on     date,
    ends_on       date,
    budget        numeric,
    currency      text
);

create table stream.lift_tests ({HEAD},
    channel                 text,
    campaign_id             text,
    starts_on               date not null,
    ends_on                 date not null,
    incremental_conversions double precision not null,
    standard_error          double precision not null,
    incremental_iacv        numeric,
    holdout_share           double precision,
    note                    text
);

create table stream.opportunities ({TIMED},
    opportunity_id text not null,
    account_id     text not null,
    stage          text not null,
    amount         numeric,
    currency       text,
    is_closed      boolean,
    is_won         boolean,
    owner          text,
    lead_id        text
);
create index opportunities_by_account on stream.opportunities (account_id);

create table stream.dead_letters (
    topic         text not null,
    partition     integer not null,
    kafka_offset  bigint not null,
    received_at   timestamptz not null,
    reason        text not null,
    detail        text not null,
    event_id      text,
    message_key   bytea,
    payload       bytea,
    primary key (topic, partition, kafka_offset, received_at)
);

create table stream.progress (
    topic         text not null,
    partition     integer not null,
    next_offset   bigint not null,
    updated_at    timestamptz not null default now(),
    primary key (topic, partition)
);

create table stream.identifiers (
    id            uuid primary key,
    kind          text not null,
    value         text not null,
    rank          smallint not null,
    parent_id     uuid references stream.identifiers
);
comment on table stream.identifiers is
    'one row per identifier of a person; a person is the root that parents lead to';
create index identifiers_by_parent on stream.identifiers (parent_id) where parent_id is not null;

create table stream.identity_edges (
    lower_id      uuid not null references stream.identifiers,
    higher_id     uuid not null references stream.identifiers,
    first_at      timestamptz not null,
    last_at       timestamptz not null,
    primary key (lower_id, higher_id)
);
comment on table stream.identity_edges is
    'facts that two identifiers are one person, from the lower to the strictly higher rank';
create index identity_edges_by_higher on stream.identity_edges (higher_id);

create table stream.account_links (
    identifier_id uuid not null references stream.identifiers,
    account_id    text not null,
    strength      smallint not null,
    first_at      timestamptz not null,
    last_at       timestamptz not null,
    primary key (identifier_id, account_id)
);
comment on column stream.account_links.strength is
    '2 an identity event says so, 1 an event of another type carries both';
create index account_links_by_account on stream.account_links (account_id);

create view stream.identifier_persons as
select
    i.id as identifier_id,
    -- four kinds of identifier, each parent of a higher rank: never more than three steps
    coalesce(p3.id, p2.id, p1.id, i.id) as person_id
from stream.identifiers i
left join stream.identifiers p1 on p1.id = i.parent_id
left join stream.identifiers p2 on p2.id = p1.parent_id
left join stream.identifiers p3 on p3.id = p2.parent_id;

create view stream.person_accounts as
select distinct on (p.person_id)
    p.person_id,
    l.account_id
from stream.account_links l
join stream.identifier_persons p using (identifier_id)
order by p.person_id, l.strength desc, l.first_at, l.account_id;

create view stream.identifier_accounts as
select p.identifier_id, p.person_id, a.account_id
from stream.identifier_persons p
left join stream.person_accounts a using (person_id);

create view stream.resolved_touches as
select
    t.event_id, t.source, t.occurred_at, t.day_only, t.received_at, t.channel, t.campaign_id,
    coalesce(t.account_id, r.account_id) as account_id,
    r.person_id,
    t.lead_id, t.email, t.user_id, t.anonymous_id, t.identifier_id,
    t.touch_type, t.collateral_id, t.creative_id,
    t.utm_source, t.utm_medium, t.utm_campaign, t.utm_content, t.utm_term, t.properties
from stream.touches t
left join stream.identifier_accounts r using (identifier_id);
comment on view stream.resolved_touches is
    'one row per touch, with the account it belongs to by all that is known now';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("drop schema stream cascade")

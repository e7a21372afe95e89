"""Guards, merges of equals, domains and the operator's decisions about who is who.

Parents and merges of what was stored before follow with `bizops identity refresh`.

Revision ID: 0004
Revises: 0003
"""

import runpy
from pathlib import Path

from alembic import op
from sqlalchemy import text

from bizops.domains import company_domain

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = """
alter table stream.touches add column contact_id text, add column device_id text;
alter table stream.identities
    add column contact_id text, add column device_id text,
    add column previous_lead_id text, add column previous_contact_id text,
    add column previous_email text, add column previous_user_id text;
alter table stream.revenue add column contact_id text;
alter table stream.opportunities add column contact_id text, add column identifier_id uuid;
comment on column stream.opportunities.identifier_id is
    'the strongest identifier of a person the opportunity itself carries';
create index opportunities_by_identifier on stream.opportunities (identifier_id)
    where identifier_id is not null;
alter table stream.accounts add column web_domain text;
comment on column stream.accounts.web_domain is
    'the registrable domain of a company; null for none, and for providers of mail';
create index accounts_by_web_domain on stream.accounts (web_domain) where web_domain is not null;

-- references are kept by the one transaction that writes; checking each would cost as much again
alter table stream.identity_edges
    drop constraint identity_edges_lower_id_fkey,
    drop constraint identity_edges_higher_id_fkey;
alter table stream.account_links drop constraint account_links_identifier_id_fkey;
alter table stream.identifiers drop constraint identifiers_parent_id_fkey;

alter table stream.identifiers
    add column merged_into uuid,
    add column shared_rank smallint,
    add column domain text,
    add column changed_in bigint not null default stream.current_transaction();
comment on column stream.identifiers.parent_id is
    'derived: the strongest identifier it leads to, or for one merged into an equal that equal';
comment on column stream.identifiers.merged_into is
    'derived: which of several equals, stated to be one, stands for them; null if it does itself';
comment on column stream.identifiers.shared_rank is
    'derived: the rank of which it leads to too many, so that it leads to none; null if not shared';
comment on column stream.identifiers.domain is 'of an address: the registrable one of a company';
comment on column stream.identifiers.changed_in is
    'the transaction that made it known or gave it another parent';
create index identifiers_by_merge on stream.identifiers (merged_into)
    where merged_into is not null;
create index identifiers_shared on stream.identifiers (id) where shared_rank is not null;
create index identifiers_by_domain on stream.identifiers (domain) where domain is not null;
create index identifiers_by_transaction on stream.identifiers using brin (changed_in)
    with (pages_per_range = 32, autosummarize = on);
create index identifiers_by_value on stream.identifiers (value);

alter table stream.identity_edges
    drop column last_at,
    add column equal boolean not null default false,
    add column event_id text,
    add column changed_in bigint not null default stream.current_transaction();
comment on table stream.identity_edges is
    'facts that two identifiers are one person: from the lower to the higher rank, or of equals';
comment on column stream.identity_edges.equal is
    'of one kind, by an explicit fact; the smaller id is the lower';
comment on column stream.identity_edges.event_id is 'the event that said so first, at first_at';
create index identity_equals_by_lower on stream.identity_edges (lower_id) where equal;
create index identity_equals_by_higher on stream.identity_edges (higher_id) where equal;

alter table stream.account_links
    drop column last_at,
    add column event_id text,
    add column changed_in bigint not null default stream.current_transaction();
comment on column stream.account_links.event_id is
    'the event that said so first with this strength, at first_at';

create index identity_edges_by_transaction on stream.identity_edges using brin (changed_in)
    with (pages_per_range = 32, autosummarize = on);
create index account_links_by_transaction on stream.account_links using brin (changed_in)
    with (pages_per_range = 32, autosummarize = on);

create table stream.identity_decisions (
    version       bigint not null,
    lower_id      uuid not null,
    higher_id     uuid not null,
    equal         boolean not null,
    decision      text not null check (decision in ('cut', 'merge', 'as_events_say')),
    about         uuid[] not null,
    decided_at    timestamptz not null default now(),
    decided_by    text not null default current_user,
    reason        text,
    primary key (lower_id, higher_id, version)
);
comment on table stream.identity_decisions is
    'what an operator decided about two identifiers; the greatest version stands, whatever events '
    'say again';
create sequence stream.identity_versions as bigint owned by stream.identity_decisions.version;

create table stream.identity_epoch (
    epoch         bigint not null,
    one           boolean primary key default true check (one)
);
comment on table stream.identity_epoch is
    'one row; raised by whoever removes facts, so that writers forget what they know to be stored';
insert into stream.identity_epoch (epoch) values (1);

create function stream.raise_identity_epoch() returns trigger language plpgsql as $$
begin
    -- alone, as who merges: no writer may skip what it thinks is stored meanwhile
    perform pg_advisory_xact_lock(7202617);
    update stream.identity_epoch set epoch = epoch + 1;
    return null;
end
$$;
"""

for table in ("identifiers", "identity_edges", "account_links"):
    COLUMNS += f"""
create trigger {table}_removed before delete or truncate on stream.{table}
    for each statement execute function stream.raise_identity_epoch();
"""

VIEWS = """
create view stream.standing_decisions as
select distinct on (lower_id, higher_id) *
from stream.identity_decisions
order by lower_id, higher_id, version desc;

create view stream.standing_edges as
select e.lower_id, e.higher_id, e.equal, e.first_at, e.event_id
from stream.identity_edges e
where not exists (
    select from stream.standing_decisions d
    where d.lower_id = e.lower_id and d.higher_id = e.higher_id and d.decision = 'cut'
)
union all
select d.lower_id, d.higher_id, d.equal, d.decided_at, null
from stream.standing_decisions d
where d.decision = 'merge' and not exists (
    select from stream.identity_edges e
    where e.lower_id = d.lower_id and e.higher_id = d.higher_id
);
comment on view stream.standing_edges is
    'facts of identity less what was cut, with what was merged';

create or replace view stream.identifier_persons as
select
    i.id as identifier_id,
    -- to the equal that stands for it, then up six kinds, each parent of a higher rank
    coalesce(p6.id, p5.id, p4.id, p3.id, p2.id, p1.id, i.id) as person_id
from stream.identifiers i
left join stream.identifiers p1 on p1.id = i.parent_id
left join stream.identifiers p2 on p2.id = p1.parent_id
left join stream.identifiers p3 on p3.id = p2.parent_id
left join stream.identifiers p4 on p4.id = p3.parent_id
left join stream.identifiers p5 on p5.id = p4.parent_id
left join stream.identifiers p6 on p6.id = p5.parent_id;

create view stream.domain_accounts as
with latest as (
    select distinct on (account_id) account_id, web_domain
    from stream.accounts
    where web_domain is not null
    order by account_id, occurred_at desc, event_id desc
)
select web_domain as domain, min(account_id) as account_id
from latest
group by web_domain
having count(*) = 1;
comment on view stream.domain_accounts is 'domains that one account has to itself';

create view stream.account_claims as
select p.person_id, l.account_id, l.strength, l.first_at, l.identifier_id, l.event_id
from stream.account_links l
join stream.identifier_persons p using (identifier_id)
union all
select p.person_id, o.account_id, 1::smallint, o.occurred_at, o.identifier_id, o.event_id
from stream.opportunities o
join stream.identifier_persons p using (identifier_id)
where o.identifier_id is not null
union all
select p.person_id, d.account_id, 0::smallint, null, p.identifier_id, null
from stream.identifiers i
join stream.domain_accounts d using (domain)
join stream.identifier_persons p on p.identifier_id = i.id;
comment on view stream.account_claims is
    'what says that a person belongs to an account: 2 stated, 1 carried, 0 by an address''s domain';

create or replace view stream.person_accounts as
with claims as materialized (
    select c.person_id, c.account_id, c.strength, c.first_at, s.id is not null as shared
    from stream.account_claims c
    left join stream.identifiers s on s.id = c.person_id and s.shared_rank is not null
),
by_domain as (
    select person_id, min(account_id) as account_id
    from claims
    where strength = 0
    group by person_id
    having min(account_id) = max(account_id)
),
own as (
    select distinct on (c.person_id) c.person_id, c.account_id, c.strength
    from (
        select person_id, account_id, strength, first_at from claims
        where strength > 0 and not shared
        union all
        select person_id, account_id, 0, null from by_domain
        where person_id not in (select person_id from claims where shared)
    ) c
    order by c.person_id, c.strength desc, c.first_at, c.account_id
),
shared as (
    -- an identifier that leads to several persons has their account if half of them or more have
    -- the same one and the others none: a private address beside the one at work is common
    select coalesce(m.merged_into, m.id) as person_id, h.person_id as leads_to
    from stream.identifiers m
    cross join lateral (
        select e.higher_id
        from stream.identity_edges e
        where e.lower_id = m.id and not e.equal and not exists (
            select from stream.standing_decisions d
            where d.lower_id = e.lower_id and d.higher_id = e.higher_id and d.decision = 'cut'
        )
        union
        select d.higher_id
        from stream.standing_decisions d
        where d.lower_id = m.id and not d.equal and d.decision = 'merge'
    ) e
    join stream.identifiers i on i.id = e.higher_id and i.rank = m.shared_rank
    join stream.identifier_persons h on h.identifier_id = i.id
    where m.shared_rank is not null
),
agreed as (
    select s.person_id, min(own.account_id) as account_id
    from shared s
    left join own on own.person_id = s.leads_to
    group by s.person_id
    having min(own.account_id) = max(own.account_id) and 2 * count(own.account_id) >= count(*)
),
beside as (
    -- whom else the identifiers of a person without any claim were seen with: an address that a
    -- sign-up leads to a user keeps the account of the lead that it led to before
    select distinct low.person_id, high.person_id as leads_to
    from stream.standing_edges e
    join stream.identifiers i on i.id = e.lower_id and i.parent_id <> e.higher_id
    join stream.identifier_persons low on low.identifier_id = e.lower_id
    join stream.identifier_persons high on high.identifier_id = e.higher_id
    join stream.identifiers p on p.id = low.person_id and p.shared_rank is null
    where not e.equal and low.person_id <> high.person_id
      and not exists (select from claims c where c.person_id = low.person_id)
),
lent as (
    select b.person_id, min(own.account_id) as account_id
    from beside b
    left join own on own.person_id = b.leads_to
    group by b.person_id
    having min(own.account_id) = max(own.account_id) and 2 * count(own.account_id) >= count(*)
)
select person_id, account_id, strength from own
union all
select a.person_id, a.account_id, null
from agreed a
where not exists (
    select from claims c where c.person_id = a.person_id and c.account_id <> a.account_id
)
union all
select person_id, account_id, -1 from lent;
comment on view stream.person_accounts is
    'the account of a person: stated before carried before domain, then the earliest; strength is '
    'null where several persons share an identifier and have the same account, and -1 where '
    'nothing names one and others seen with the person''s identifiers have the same';

create or replace view stream.resolved_touches as
select
    t.event_id, t.source, t.occurred_at, t.day_only, t.received_at, t.channel, t.campaign_id,
    coalesce(t.account_id, r.account_id) as account_id,
    r.person_id,
    t.lead_id, t.email, t.user_id, t.anonymous_id, t.identifier_id,
    t.touch_type, t.collateral_id, t.creative_id,
    t.utm_source, t.utm_medium, t.utm_campaign, t.utm_content, t.utm_term, t.properties,
    t.contact_id, t.device_id
from stream.touches t
left join stream.identifier_accounts r using (identifier_id);
"""

CHANGED = """
create function stream.identity_changed_since(seen pg_snapshot, also uuid[] default '{}')
    returns setof uuid
    language sql stable
as $$
    with recursive changed as (
        select unnest(also) as id
        union
        select id from stream.identifiers where stream.is_new(changed_in, seen)
        union
        select lower_id from stream.identity_edges where stream.is_new(changed_in, seen)
        union
        select identifier_id from stream.account_links where stream.is_new(changed_in, seen)
        union
        select identifier_id from stream.opportunities
        where stream.is_new(stored_in, seen) and identifier_id is not null
        union
        -- former domains too: who corrects a row marks those of the domain it had
        select i.id
        from stream.accounts a
        join stream.accounts known on known.account_id = a.account_id
        join stream.identifiers i on i.domain = known.web_domain
        where stream.is_new(a.stored_in, seen)
    ),
    around as (
        select id from changed
        union
        select i.id from changed c join stream.identifiers i on i.merged_into = c.id
    ),
    led as (
        -- with those whom an identifier may have led to before, whose account it took along
        select id from around
        union
        select e.higher_id from around a join stream.identity_edges e on e.lower_id = a.id
        union
        select d.higher_id from around a join stream.identity_decisions d on d.lower_id = a.id
    ),
    persons as (
        select id from led
        union
        select p.person_id from led join stream.identifier_persons p on p.identifier_id = led.id
    ),
    theirs as (
        select id, false as lent from persons
        union
        select near.id, t.lent or near.lent
        from theirs t
        cross join lateral (
            select i.id, false as lent from stream.identifiers i where i.parent_id = t.id
            union all
            -- shared ones lead to nobody, but have an account if all they are seen with have it
            select i.id, false
            from stream.identity_edges e
            join stream.identifiers i on i.id = e.lower_id and i.shared_rank is not null
            where e.higher_id = t.id
            union all
            -- others without any claim have the account of whom their identifiers were seen with
            select p.person_id, true
            from (
                select e.lower_id from stream.identity_edges e
                where e.higher_id = t.id and not e.equal
                union all
                select d.lower_id from stream.identity_decisions d
                where d.higher_id = t.id and not d.equal
            ) e
            join stream.identifiers i on i.id = e.lower_id and i.parent_id <> t.id
            join stream.identifier_persons p on p.identifier_id = i.id
            where not t.lent
        ) near
    )
    select distinct id from theirs
$$;
comment on function stream.identity_changed_since(pg_snapshot, uuid[]) is
    'identifiers whose person or account may be another than what a reader with that snapshot saw, '
    'or may follow from some that are named';
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    for rank, kind in ((5, "user_id"), (3, "lead_id"), (2, "email")):
        op.execute(f"update stream.identifiers set rank = {rank} where kind = '{kind}'")
    op.execute("""
update stream.opportunities o set identifier_id = i.id
from stream.identifiers i where i.kind = 'lead_id' and i.value = o.lead_id
""")
    _set_domain("identifiers", "domain", "split_part(value, '@', 2)", "kind = 'email'")
    _set_domain("accounts", "web_domain", "domain", "domain is not null")
    op.execute(VIEWS)
    op.execute(CHANGED)


def _set_domain(table: str, column: str, origin: str, which: str) -> None:
    connection = op.get_bind()
    hosts = connection.execute(text(f"select distinct {origin} from stream.{table} where {which}"))
    for host in hosts.scalars().all():
        if domain := company_domain(host):
            statement = f"update stream.{table} set {column} = :domain where {origin} = :host"
            connection.execute(text(f"{statement} and {which}"), {"domain": domain, "host": host})


def downgrade() -> None:
    first = runpy.run_path(str(Path(__file__).with_name("0001_stream.py")))["UPGRADE"]
    op.execute("""
drop function stream.identity_changed_since(pg_snapshot, uuid[]);
drop view stream.identifier_persons, stream.standing_decisions, stream.domain_accounts cascade;
drop table stream.identity_decisions, stream.identity_epoch;
drop function stream.raise_identity_epoch() cascade;
alter table stream.touches drop column contact_id, drop column device_id;
alter table stream.identities
    drop column contact_id, drop column device_id, drop column previous_lead_id,
    drop column previous_contact_id, drop column previous_email, drop column previous_user_id;
alter table stream.revenue drop column contact_id;
alter table stream.opportunities drop column contact_id, drop column identifier_id;
alter table stream.accounts drop column web_domain;
delete from stream.identity_edges where equal;
update stream.identifiers set parent_id = null where merged_into is not null;
alter table stream.identifiers
    drop column merged_into, drop column shared_rank, drop column domain, drop column changed_in;
alter table stream.identity_edges
    drop column equal, drop column event_id, drop column changed_in, add column last_at timestamptz;
alter table stream.account_links
    drop column event_id, drop column changed_in, add column last_at timestamptz;
update stream.identity_edges set last_at = first_at;
update stream.account_links set last_at = first_at;
""")
    for rank, kind in ((1, "email"), (2, "lead_id"), (3, "user_id")):
        op.execute(f"update stream.identifiers set rank = {rank} where kind = '{kind}'")
    op.execute(first[first.index("create view stream.identifier_persons") :])

"""Deals credited as they are won: told of by NOTIFY, and found without reading who everybody is.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TOLD = """
create function stream.tell_of_deals() returns trigger language plpgsql as $$
begin
    if exists (select from stored where kind in ('new', 'expansion') and iacv > 0) then
        perform pg_notify('bizops_live', '');
    end if;
    return null;
end
$$;
comment on function stream.tell_of_deals() is
    'wakes who credits deals, once the transaction that stored some is committed';
create trigger revenue_tells after insert on stream.revenue
    referencing new table as stored for each statement execute function stream.tell_of_deals();

create function attribution.tell_of_run() returns trigger language plpgsql as $$
begin
    perform pg_notify('bizops_live', '');
    return null;
end
$$;
create trigger runs_tell after update of status on attribution.runs
    for each row when (new.status = 'published') execute function attribution.tell_of_run();
"""

CONVERSIONS = """
alter table attribution.conversions
    add column seen pg_snapshot,
    add column in_sums boolean not null default true;
comment on column attribution.conversions.seen is
    'what was there to read when it was credited after the run; null: what the run saw';
comment on column attribution.conversions.in_sums is
    'whether credit_summary has it; what was credited as it was won follows within seconds';
create index conversions_not_in_sums on attribution.conversions (run_id) where not in_sums;
"""

# Looked up row by row ("offset 0" keeps it so): an account costs the same however many others are.
# In steps, because PostgreSQL takes what recursion finds for a thousand times as much as it is.
# What it says is what the view person_accounts says; a property test holds one against the other.
IDENTIFIERS = """
create function stream.identifiers_of_accounts(accounts text[])
    returns table (identifier_id uuid, account_id text)
    language plpgsql stable rows 100
    set plan_cache_mode = force_generic_plan -- making plans takes longer than running them
as $$
#variable_conflict use_column
declare
    claimed uuid[];
    candidates uuid[];
    persons uuid[];
    members uuid[];
begin
    if cardinality(accounts) > 500 then -- where looking everybody up once is cheaper
        return query
        select r.identifier_id, r.account_id from stream.identifier_accounts r
        where r.account_id = any(accounts);
        return;
    end if;

    -- of whom anything says that they belong to the accounts
    select array_agg(distinct p.person_id) into claimed
    from (
        select l.identifier_id as id from stream.account_links l where l.account_id = any(accounts)
        union
        select o.identifier_id from stream.opportunities o
        where o.account_id = any(accounts) and o.identifier_id is not null
        union
        select i.id
        from (
            select distinct a.web_domain from stream.accounts a
            where a.account_id = any(accounts) and a.web_domain is not null
        ) d
        cross join lateral (
            select i.id from stream.identifiers i where i.domain = d.web_domain offset 0
        ) i
    ) named
    cross join lateral (
        select p.person_id from stream.identifier_persons p
        where p.identifier_id = named.id offset 0
    ) p;

    -- with those who may have the account of whom their identifiers lead to, or were seen with
    with recursive theirs as (
        select c as id from unnest(claimed) c
        union
        select i.id
        from theirs t
        cross join lateral (
            select i.id from stream.identifiers i where i.parent_id = t.id offset 0
        ) i
    )
    select array_agg(distinct found.person_id) into candidates
    from (
        select c as person_id from unnest(claimed) c
        union all
        select p.person_id
        from theirs t
        cross join lateral (
            select e.lower_id from stream.identity_edges e where e.higher_id = t.id and not e.equal
            union all
            select d.lower_id from stream.identity_decisions d
            where d.higher_id = t.id and not d.equal and d.decision = 'merge'
            offset 0
        ) e
        cross join lateral (
            select p.person_id from stream.identifier_persons p
            where p.identifier_id = e.lower_id offset 0
        ) p
    ) found;

    with recursive theirs as (
        select c as person_id, c as id from unnest(candidates) c
        union
        select t.person_id, i.id
        from theirs t
        cross join lateral (
            select i.id from stream.identifiers i where i.parent_id = t.id offset 0
        ) i
    )
    select array_agg(theirs.person_id), array_agg(theirs.id) into persons, members from theirs;

    return query
    with recursive of_candidate as (
        select m.person_id, m.id from unnest(persons, members) as m (person_id, id)
    ),
    -- as in the view standing_edges
    led as materialized (
        select t.person_id, i.parent_id, i.shared_rank, e.higher_id, h.rank,
            p.person_id as leads_to
        from of_candidate t
        cross join lateral (
            select i.parent_id, i.shared_rank from stream.identifiers i where i.id = t.id offset 0
        ) i
        cross join lateral (
            select e.higher_id
            from stream.identity_edges e
            where e.lower_id = t.id and not e.equal and not exists (
                select from stream.standing_decisions d
                where d.lower_id = e.lower_id and d.higher_id = e.higher_id and d.decision = 'cut'
            )
            union
            select d.higher_id
            from stream.standing_decisions d
            where d.lower_id = t.id and not d.equal and d.decision = 'merge'
            offset 0
        ) e
        cross join lateral (
            select h.rank from stream.identifiers h where h.id = e.higher_id offset 0
        ) h
        cross join lateral (
            select p.person_id from stream.identifier_persons p
            where p.identifier_id = e.higher_id offset 0
        ) p
    ),
    of_involved as (
        select t.person_id, t.id from of_candidate t
        union
        select l.leads_to, l.leads_to from led l
        union
        select t.person_id, i.id
        from of_involved t
        cross join lateral (
            select i.id from stream.identifiers i where i.parent_id = t.id offset 0
        ) i
    ),
    involved as materialized (
        select t.person_id, t.id, i.domain, s.shared_rank is not null as shared
        from of_involved t
        cross join lateral (
            select i.domain from stream.identifiers i where i.id = t.id offset 0
        ) i
        cross join lateral (
            select s.shared_rank from stream.identifiers s where s.id = t.person_id offset 0
        ) s
    ),
    -- as in the view domain_accounts
    domains as (
        select d.domain, a.account_id
        from (select distinct t.domain from involved t where t.domain is not null) d
        cross join lateral (
            select min(latest.account_id) as account_id
            from (
                select distinct a.account_id from stream.accounts a where a.web_domain = d.domain
            ) a
            cross join lateral (
                select x.account_id, x.web_domain from stream.accounts x
                where x.account_id = a.account_id and x.web_domain is not null
                order by x.occurred_at desc, x.event_id desc limit 1
            ) latest
            where latest.web_domain = d.domain
            having count(*) = 1
        ) a
    ),
    claims as materialized (
        select t.person_id, c.account_id, c.strength, c.first_at, t.shared
        from involved t
        cross join lateral (
            select l.account_id, l.strength, l.first_at
            from stream.account_links l where l.identifier_id = t.id
            union all
            select o.account_id, 1::smallint, o.occurred_at
            from stream.opportunities o where o.identifier_id = t.id
            offset 0
        ) c
        union all
        select t.person_id, d.account_id, 0::smallint, null, t.shared
        from involved t
        join domains d using (domain)
    ),
    by_domain as (
        select c.person_id, min(c.account_id) as account_id
        from claims c
        where c.strength = 0 and not c.shared
        group by c.person_id
        having min(c.account_id) = max(c.account_id)
    ),
    own as materialized (
        select distinct on (c.person_id) c.person_id, c.account_id
        from (
            select k.person_id, k.account_id, k.strength, k.first_at from claims k
            where k.strength > 0 and not k.shared
            union all
            select b.person_id, b.account_id, 0, null from by_domain b
        ) c
        order by c.person_id, c.strength desc, c.first_at, c.account_id
    ),
    agreed as (
        select l.person_id, min(own.account_id) as account_id
        from led l
        left join own on own.person_id = l.leads_to
        where l.shared_rank is not null and l.rank = l.shared_rank
        group by l.person_id
        having min(own.account_id) = max(own.account_id) and 2 * count(own.account_id) >= count(*)
    ),
    lent as (
        select b.person_id, min(own.account_id) as account_id
        from (
            select distinct l.person_id, l.leads_to
            from led l
            where l.parent_id <> l.higher_id and l.person_id <> l.leads_to
              and not exists (
                  select from involved t where t.person_id = l.person_id and t.shared
              )
              and not exists (select from claims c where c.person_id = l.person_id)
        ) b
        left join own on own.person_id = b.leads_to
        group by b.person_id
        having min(own.account_id) = max(own.account_id) and 2 * count(own.account_id) >= count(*)
    ),
    decided as (
        select own.person_id, own.account_id from own
        union all
        select a.person_id, a.account_id from agreed a
        where not exists (
            select from claims c where c.person_id = a.person_id and c.account_id <> a.account_id
        )
        union all
        select lent.person_id, lent.account_id from lent
    )
    select t.id, d.account_id
    from decided d
    join of_candidate t using (person_id)
    where d.account_id = any(accounts);
end
$$;
comment on function stream.identifiers_of_accounts(text[]) is
    'identifiers of those who belong to some accounts: what the view identifier_accounts says, '
    'looked up for these accounts alone';
"""


def upgrade() -> None:
    op.execute(TOLD)
    op.execute(CONVERSIONS)
    op.execute(IDENTIFIERS)


def downgrade() -> None:
    op.execute("""
drop function stream.identifiers_of_accounts(text[]);
drop trigger revenue_tells on stream.revenue;
drop trigger runs_tell on attribution.runs;
drop function stream.tell_of_deals(), attribution.tell_of_run();
alter table attribution.conversions drop column seen, drop column in_sums;
""")

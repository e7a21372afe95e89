-- name: find_identifier
-- The identifiers of a value, of one kind or of any.
select id, kind, value, rank from stream.identifiers
where value = any(%(values)s) and (%(kind)s is null or kind = %(kind)s)
order by rank desc, value

-- name: near_values
-- Values that stand near one in order, to guess what was meant.
(select value from stream.identifiers
 where value >= %(value)s and (%(kind)s is null or kind = %(kind)s) order by value limit 200)
union
(select value from stream.identifiers
 where value < %(value)s and (%(kind)s is null or kind = %(kind)s) order by value desc limit 200)

-- name: person_of
-- The person of an identifier.
select person_id from stream.identifier_persons where identifier_id = %(id)s

-- name: identifiers_of
-- All identifiers of a person, the strongest first.
with recursive theirs as (
    select id from stream.identifiers where id = %(person)s
    union
    select i.id from theirs t join stream.identifiers i on i.parent_id = t.id
)
select i.id, i.kind, i.value, i.rank, i.shared_rank, i.domain
from theirs
join stream.identifiers i using (id)
order by i.rank desc, i.value, i.id

-- name: facts_of
-- What events or operators say of some identifiers, with what was decided about it last.
with facts as (
    select lower_id, higher_id, equal, first_at, event_id, true as said
    from stream.identity_edges
    where lower_id = any(%(ids)s::uuid[]) or higher_id = any(%(ids)s::uuid[])
    union all
    select d.lower_id, d.higher_id, d.equal, d.decided_at, null, false
    from stream.standing_decisions d
    where (d.lower_id = any(%(ids)s::uuid[]) or d.higher_id = any(%(ids)s::uuid[]))
      and not exists (
        select from stream.identity_edges e
        where e.lower_id = d.lower_id and e.higher_id = d.higher_id
      )
)
select
    f.lower_id, low.kind || ':' || low.value as lower, f.higher_id,
    high.kind || ':' || high.value as higher, f.equal, f.first_at, f.event_id,
    coalesce(t.source, n.source, r.source) as source,
    case when f.said then d.decision is distinct from 'cut' else d.decision = 'merge' end as stands,
    d.decision, d.decided_at, d.decided_by, d.reason
from facts f
join stream.identifiers low on low.id = f.lower_id
join stream.identifiers high on high.id = f.higher_id
left join stream.standing_decisions d on d.lower_id = f.lower_id and d.higher_id = f.higher_id
left join stream.touches t on t.event_id = f.event_id
left join stream.identities n on n.event_id = f.event_id
left join stream.revenue r on r.event_id = f.event_id
order by f.first_at, low.value, high.value

-- name: claims_of
-- What says which account some identifiers belong to, the strongest first.
select c.account_id, c.strength, i.kind || ':' || i.value as identifier, c.first_at, c.event_id
from (
    select identifier_id, account_id, strength, first_at, event_id
    from stream.account_links where identifier_id = any(%(ids)s::uuid[])
    union all
    select identifier_id, account_id, 1, occurred_at, event_id
    from stream.opportunities where identifier_id = any(%(ids)s::uuid[])
    union all
    select i.id, d.account_id, 0, null, null
    from stream.identifiers i
    join stream.domain_accounts d using (domain)
    where i.id = any(%(ids)s::uuid[])
) c
join stream.identifiers i on i.id = c.identifier_id
order by c.strength desc, c.first_at, c.account_id, identifier

-- name: account_of
-- The account of a person, with the strength of what says so.
select account_id, strength from stream.person_accounts where person_id = %(person)s

-- name: shared_identifiers
-- Identifiers that lead to too many people, those seen with most first.
select
    i.kind || ':' || i.value as identifier,
    count(distinct h.id) as leads_to,
    (array_agg(distinct h.kind || ':' || h.value))[1:5] as among,
    a.account_id
from stream.identifiers i
join stream.identity_edges e on e.lower_id = i.id
join stream.identifiers h on h.id = e.higher_id and h.rank = i.shared_rank
left join stream.person_accounts a on a.person_id = i.id
where i.shared_rank is not null
group by i.id, a.account_id
order by count(distinct h.id) desc, 1
limit %(limit)s

-- name: persons_of_accounts
-- Persons whom facts of one strength link to several accounts; the first stands.
with claims as (
    select person_id, account_id, strength, min(first_at) as first_at
    from stream.account_claims
    where strength > 0
    group by person_id, account_id, strength
),
top as (
    select *, max(strength) over (partition by person_id) as highest from claims
)
select
    i.kind || ':' || i.value as person,
    array_agg(t.account_id order by t.first_at, t.account_id) as accounts
from top t
join stream.identifiers i on i.id = t.person_id and i.shared_rank is null
where t.strength = t.highest
group by i.id
having count(*) > 1
order by count(*) desc, 1
limit %(limit)s

-- name: shared_domains
-- Domains that several accounts have, so that they match none.
with latest as (
    select distinct on (account_id) account_id, web_domain
    from stream.accounts
    where web_domain is not null
    order by account_id, occurred_at desc, event_id desc
)
select web_domain, array_agg(account_id order by account_id) as accounts
from latest
group by web_domain
having count(*) > 1
order by count(*) desc, 1
limit %(limit)s

-- name: next_version
-- A number greater than that of any decision before.
select nextval('stream.identity_versions')

-- name: decide
-- Keep what an operator decided about two identifiers.
insert into stream.identity_decisions
    (version, lower_id, higher_id, equal, decision, about, decided_by, reason)
values %s

-- name: last_cut
-- The facts that the last cut between two identifiers took away, as far as they are still cut.
select d.lower_id, d.higher_id, d.equal
from stream.standing_decisions d
where d.decision = 'cut' and (
    d.version = (
        select max(version) from stream.identity_decisions
        where decision = 'cut' and about = %(about)s::uuid[]
    )
    or array[d.lower_id, d.higher_id] in (%(pair)s::uuid[], %(turned)s::uuid[])
)
order by d.lower_id, d.higher_id

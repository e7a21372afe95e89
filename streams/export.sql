-- name: identifiers
-- What a person is known by.
select jsonb_build_object('kind', kind, 'value', value)
from stream.identifiers where id = any(%(ids)s::uuid[])
order by rank desc, kind, value

-- name: links
-- Facts that join the person's identifiers to each other, and since when.
select jsonb_build_object(
    'one', a.kind || ':' || a.value, 'other', b.kind || ':' || b.value,
    'first_at', e.first_at, 'event_id', e.event_id)
from stream.identity_edges e
join stream.identifiers a on a.id = e.lower_id
join stream.identifiers b on b.id = e.higher_id
where e.lower_id = any(%(ids)s::uuid[]) and e.higher_id = any(%(ids)s::uuid[])
order by e.first_at, a.kind, a.value, b.kind, b.value

-- name: decisions
-- What operators decided about the person's identifiers.
select to_jsonb(d) from stream.identity_decisions d
where d.lower_id = any(%(ids)s::uuid[]) or d.higher_id = any(%(ids)s::uuid[])
order by d.version

-- name: accounts
-- What says that the person belongs to an account, and to which they belong by all that is known.
select jsonb_build_object(
    'identifier', i.kind || ':' || i.value, 'account_id', l.account_id,
    'first_at', l.first_at, 'event_id', l.event_id, 'resolved_account_id', r.account_id)
from stream.account_links l
join stream.identifiers i on i.id = l.identifier_id
left join stream.identifier_accounts r on r.identifier_id = i.id
where l.identifier_id = any(%(ids)s::uuid[])
order by l.first_at, l.account_id

-- name: credit
-- The published credit of the person's touches.
select to_jsonb(c) - 'run_id'
from attribution.credit c
join attribution.published_run r using (run_id)
where c.touch_id = any(%(touches)s)
order by c.model, c.conversion_id, c.touch_id

-- name: lead_credit
-- The published credit for leads that the person is.
select to_jsonb(c) - 'run_id'
from attribution.lead_credit c
join attribution.published_run r using (run_id)
where c.lead_id = any(%(leads)s)
order by c.model, c.lead_id, c.channel, c.campaign_id

-- one row per person who is a lead
with identifiers as (
    select * from {{ source('stream', 'identifiers') }}
),

persons as (
    select * from {{ source('stream', 'identifier_persons') }}
),

final as (
    select
        persons.person_id,
        min(identifiers.value) as lead_id
    from identifiers
    inner join persons on persons.identifier_id = identifiers.id
    where identifiers.kind = 'lead_id'
    group by persons.person_id
)

select * from final

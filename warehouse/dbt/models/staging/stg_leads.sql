-- one row per person who is a lead
with leads as (
    select * from {{ source('stream', 'known_leads') }}
),

final as (
    select
        person_id,
        min(lead_id) as lead_id
    from leads
    group by person_id
)

select * from final

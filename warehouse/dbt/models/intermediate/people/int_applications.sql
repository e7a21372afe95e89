-- one row per application: when it was made, and how an offer was answered
with steps as (
    select * from {{ ref('stg_applications') }}
),

-- who accepts and then declines has declined
answers as (
    select distinct on (application_id)
        application_id,
        step as answer,
        occurred_on as answered_on
    from steps
    where step in ('accepted', 'declined')
    order by application_id, occurred_at desc, event_id desc
),

reached as (
    select
        application_id,
        min(occurred_at) filter (where step = 'applied') as applied_at,
        min(occurred_on) filter (where step = 'applied') as applied_on,
        min(occurred_at) filter (where step = 'accepted') as accepted_at,
        min(occurred_on) filter (where step = 'accepted') as accepted_on,
        max(case when step = 'hired' then 1 else 0 end) as is_hired
    from steps
    group by application_id
),

final as (
    select
        reached.*,
        answers.answer,
        answers.answered_on
    from reached
    left join answers using (application_id)
)

select * from final

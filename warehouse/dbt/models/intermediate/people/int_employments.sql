-- one row per change of somebody's employment, beside what it was before and how long it lasted
with changes as (
    select * from {{ ref('stg_employees') }}
),

final as (
    select
        employee_id,
        occurred_on,
        lead(occurred_on) over employee as next_on,
        status,
        coalesce(lag(status) over employee, '') as status_before,
        termination
    from changes
    window employee as (partition by employee_id order by occurred_at, event_id)
)

select * from final

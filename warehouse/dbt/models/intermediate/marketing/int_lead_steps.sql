-- one row per lead, a person known by however many ids: the first day of each step it took
with statuses as (
    select
        *,
        coalesce(person_id::text, lead_id) as subject,
        case when person_id is null then lead_id end as lone_lead_id
    from {{ ref('stg_lead_statuses') }}
),

persons as (
    select * from {{ ref('stg_lead_persons') }}
),

won as (
    select * from {{ ref('int_deals') }}
    where outcome = 'won'
),

steps as (
    select
        subject,
        person_id,
        lone_lead_id as lead_id,
        min(occurred_on) as lead_on,
        min(occurred_on) filter (where status = 'mql') as mql_on,
        min(occurred_on) filter (where status = 'sql') as sql_on
    from statuses
    group by 1, 2, 3
),

-- a deal names its lead, or is one of the lead's account
wins as (
    select
        coalesce(persons.person_id::text, won.lead_id) as subject,
        won.closed_on
    from won
    left join persons using (lead_id)
    where won.lead_id is not null
    union all
    select
        accounts.subject,
        won.closed_on
    from won
    inner join (
        select distinct subject, account_id from statuses
    ) as accounts using (account_id)
),

last_wins as (
    select
        subject,
        max(closed_on) as last_won_on
    from wins
    group by subject
),

final as (
    select
        steps.person_id,
        steps.lead_id,
        steps.lead_on,
        steps.mql_on,
        steps.sql_on,
        last_wins.last_won_on
    from steps
    left join last_wins using (subject)
)

select * from final

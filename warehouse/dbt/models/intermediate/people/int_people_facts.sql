-- one row per fact of the metrics of people
{{ config(materialized='view') }}

with applications as (
    select * from {{ ref('int_applications') }}
),

steps as (
    select * from {{ ref('stg_applications') }}
),

surveys as (
    select
        *,
        case when score >= 9 then 100 when score <= 6 then -100 else 0 end as points
    from {{ ref('stg_surveys') }}
),

employments as (
    select
        *,
        case when status = 'improvement_plan' then 1 else 0 end as on_plan
    from {{ ref('int_employments') }}
),

final as (
    {{ fact('applications', 'applied_on', numerator='1') }}
    from applications
    where applied_on is not null
    union all
    {{ fact('interviews_per_applicant', 'applied_on', denominator='1') }}
    from applications
    where applied_on is not null
    union all
    {{ fact('interviews_per_applicant', 'occurred_on', numerator='1') }}
    from steps
    where step = 'interviewed'
    union all
    {{ fact('enps', 'occurred_on', numerator='points', denominator='1') }}
    from surveys
    where audience = 'employee'
    union all
    {{ fact('declined_applicant_nps', 'occurred_on', numerator='points', denominator='1') }}
    from surveys
    where audience = 'declined_applicant'
    union all
    {{ fact(
        'requirement_score', 'occurred_on', breakdown='requirement',
        numerator='score', denominator='1',
    ) }}
    from steps
    where step = 'scored'
    union all
    {{ fact(
        'offer_accept_rate', 'answered_on',
        numerator="case when answer = 'accepted' then 1 else 0 end", denominator='1',
    ) }}
    from applications
    where answer is not null
    union all
    {{ fact('offers_to_hires', 'accepted_on', numerator='is_hired', denominator='1') }}
    from applications
    where accepted_on is not null
    union all
    {{ fact(
        'apply_to_accept_days', 'accepted_on',
        observation=days_between('applied_at', 'accepted_at'),
    ) }}
    from applications
    where applied_at is not null and accepted_at is not null
    union all
    {{ fact('terminations', 'occurred_on', breakdown='parts.part', numerator='1') }}
    from employments
    {{ whole_and('termination') }}
    where status = 'terminated' and status_before <> 'terminated'
    union all
    {{ fact('improvement_plan_share', 'occurred_on', numerator='on_plan', denominator='1') }}
    from employments
    where status <> 'terminated'
    union all
    {{ fact('improvement_plan_share', 'next_on', numerator='-on_plan', denominator='-1') }}
    from employments
    where status <> 'terminated' and next_on is not null
)

select * from final

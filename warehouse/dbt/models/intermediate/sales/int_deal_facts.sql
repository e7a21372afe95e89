-- one row per fact of a metric made of deals
{{ config(materialized='view') }}

with states as (
    select * from {{ ref('int_deal_states') }}
),

deals as (
    select * from {{ ref('int_deals') }}
),

closed as (
    select
        *,
        case when outcome = 'won' then 1 else 0 end as is_won
    from deals
    where outcome in ('won', 'lost')
),

visits as (
    select * from {{ ref('int_stage_visits') }}
),

stages as (
    select distinct
        closed.opportunity_id,
        closed.closed_on,
        closed.is_won,
        visits.stage
    from closed
    inner join visits using (opportunity_id)
),

final as (
    {{ fact('win_rate', 'closed_on', numerator='is_won', denominator='1') }}
    from closed
    union all
    {{ fact(
        'stage_win_rate', 'closed_on', breakdown='stage', numerator='is_won', denominator='1',
    ) }}
    from stages
    union all
    {{ fact(
        'stage_days', 'left_on', breakdown='stage',
        observation=days_between('entered_at', 'left_at'),
    ) }}
    from visits
    where left_on is not null
    union all
    {{ fact('days_to_close', 'closed_on', observation=days_between('begun_at', 'closed_at')) }}
    from closed
    where is_won = 1
    union all
    {{ fact('pipeline_created', 'begun_on', currency='currency', numerator='amount') }}
    from deals
    where amount is not null
    union all
    {{ fact('open_pipeline', 'occurred_on', currency='currency', numerator='amount') }}
    from states
    where outcome = 'open' and amount is not null
    union all
    {{ fact('open_pipeline', 'next_on', currency='currency', numerator='-amount') }}
    from states
    where outcome = 'open' and amount is not null and next_on is not null
)

select * from final

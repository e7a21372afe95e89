-- one row per deal and visit to a stage while it was open; left_at is null where it still is
with states as (
    select * from {{ ref('int_deal_states') }}
),

marked as (
    select
        *,
        lag(stage) over deal as stage_before,
        lag(outcome) over deal as outcome_before
    from states
    window deal as (partition by opportunity_id order by position)
),

visits as (
    select
        opportunity_id,
        stage,
        outcome,
        occurred_at as entered_at,
        lead(occurred_at) over deal as left_at,
        lead(occurred_on) over deal as left_on
    from marked
    where stage_before is null or stage_before <> stage or outcome_before <> outcome
    window deal as (partition by opportunity_id order by position)
),

final as (
    select
        opportunity_id,
        stage,
        entered_at,
        left_at,
        left_on
    from visits
    where outcome = 'open'
)

select * from final

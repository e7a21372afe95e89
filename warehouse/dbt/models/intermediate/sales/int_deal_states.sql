-- one row per deal and state, with all that was known of it by then
with states as (
    select * from {{ ref('stg_opportunities') }}
),

-- of states of one moment the one that closes the deal comes last
converted as (
    select
        states.opportunity_id,
        states.account_id,
        states.lead_id,
        states.occurred_at,
        states.occurred_on,
        states.stage,
        states.outcome,
        {{ amount(reporting_amount('states.amount')) }} as amount,
        {{ reporting_currency('states.currency') }} as currency,
        row_number() over (
            partition by states.opportunity_id
            order by
                states.occurred_at,
                case when states.outcome in ('won', 'lost') then 1 else 0 end,
                states.event_id
        ) as position
    from states
    {{ rate_join('states', 'occurred_on') }}
),

-- each count goes up with a state that tells, so that those after it share its number
numbered as (
    select
        *,
        count(outcome) over deal as outcomes,
        count(case when currency is not null then amount end) over deal as amounts
    from converted
    window deal as (partition by opportunity_id order by position)
),

final as (
    select
        opportunity_id,
        account_id,
        lead_id,
        position,
        occurred_at,
        occurred_on,
        lead(occurred_on) over (partition by opportunity_id order by position) as next_on,
        stage,
        coalesce(max(outcome) over (partition by opportunity_id, outcomes), 'open') as outcome,
        {{ amount(
            'max(case when currency is not null then amount end)
            over (partition by opportunity_id, amounts)'
        ) }} as amount,
        max(case when amount is not null then currency end)
            over (partition by opportunity_id, amounts) as currency
    from numbered
)

select * from final

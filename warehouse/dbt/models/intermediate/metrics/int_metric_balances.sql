-- one row per metric that is a state, breakdown, currency and period: what its changes have come to
with facts as (
    select * from {{ ref('int_facts') }}
    where aggregation = 'balance'
),

calendar as (
    select * from {{ ref('int_calendar') }}
),

changes as (
    select
        metric,
        breakdown,
        currency,
        occurred_on,
        sum(numerator) as numerator,
        sum(denominator) as denominator
    from facts
    group by 1, 2, 3, 4
),

balances as (
    select
        metric,
        breakdown,
        currency,
        occurred_on as valid_from,
        lead(occurred_on, 1, 'infinity'::date) over series as valid_until,
        sum(numerator) over series as numerator,
        sum(denominator) over series as denominator
    from changes
    window series as (partition by metric, breakdown, currency order by occurred_on)
),

final as (
    select
        balances.metric,
        balances.breakdown,
        calendar.period,
        calendar.period_start,
        balances.currency,
        case
            when balances.denominator is null then balances.numerator
            else coalesce(balances.numerator, 0) / nullif(balances.denominator, 0)
        end::double precision as value,
        balances.numerator::double precision as numerator,
        balances.denominator::double precision as denominator
    from balances
    inner join calendar
        on calendar.as_of_on >= balances.valid_from
        and calendar.as_of_on < balances.valid_until
)

select * from final

-- one row per metric, period and its first day: the target, in the currency that figures are in
with targets as (
    select * from {{ ref('stg_targets') }}
),

final as (
    select
        targets.metric,
        targets.period,
        targets.period_start,
        {{ amount(reporting_amount('targets.value')) }} as value,
        coalesce({{ reporting_currency('targets.currency') }}, '') as currency
    from targets
    {{ rate_join('targets', 'period_start') }}
)

select * from final

-- one row per spend event, in its own currency and in the reporting one where it has a rate
with spend as (
    select * from {{ ref('stg_spend') }}
),

final as (
    select
        spend.event_id,
        spend.spent_on,
        spend.channel,
        spend.campaign_id,
        spend.amount,
        spend.currency,
        {{ reporting_amount('spend.amount') }} as reporting_amount,
        {{ reporting_currency('spend.currency') }} as reporting_currency
    from spend
    {{ rate_join('spend', 'spent_on') }}
)

select * from final

-- one row per dimension, period, channel and campaign that was touched
with touches_by_day as (
    select * from {{ ref('int_touches_by_day') }}
),

final as (
    select
        dimensions.dimension,
        periods.period,
        periods.period_start,
        days.channel,
        dimensions.dimension_campaign_id as campaign_id,
        sum(days.touches)::bigint as touches,
        count(distinct days.lead_id) as leads
    from touches_by_day as days
    {{ periods('days.occurred_on') }}
    {{ dimensions('days.campaign_id') }}
    group by 1, 2, 3, 4, 5
)

select * from final

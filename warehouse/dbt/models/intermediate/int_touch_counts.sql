-- one row per dimension, period, channel and campaign that was touched
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook='{{ forget_changed_periods() }}',
    indexes=[{'columns': ['period', 'period_start']}]
) }}

-- A lead counts on the day of its first touch in a period, so that counts of a period add up over its
-- days: touches are read once, whatever the periods, and leads are told apart by numbers.
with touches as (
    select
        {{ hashed('channel') }} as channel_number,
        {{ hashed("channel || chr(31) || campaign_id") }} as campaign_number,
        {{ hashed('lead_id') }} as lead_number,
        channel,
        campaign_id,
        occurred_on
    from {{ ref('int_touches') }}
),

names as (
    select
        campaign_number,
        channel_number,
        channel,
        campaign_id
    from touches
    group by campaign_number, channel_number, channel, campaign_id
),

campaign_lead_days as (
    select
        campaign_number,
        lead_number,
        occurred_on,
        count(*) as touches
    from touches
    group by campaign_number, lead_number, occurred_on
),

channel_lead_days as (
    select
        names.channel_number,
        days.lead_number,
        days.occurred_on,
        sum(days.touches) as touches
    from campaign_lead_days as days
    inner join names using (campaign_number)
    group by names.channel_number, days.lead_number, days.occurred_on
),

{%- for dimension in ['campaign', 'channel'] %}

{{ dimension }}_first_days as (
    select
        *,
        lag(occurred_on) over (
            partition by {{ dimension }}_number, lead_number order by occurred_on
        ) as before_on
    from {{ dimension }}_lead_days
),

{{ dimension }}_days as (
    select
        {{ dimension }}_number,
        occurred_on,
        sum(touches) as touches,
        count(lead_number) as day_leads,
        {%- for period in ['week', 'month', 'quarter'] %}
        count(lead_number) filter (
            where before_on is null or before_on < {{ period_start(period, 'occurred_on') }}
        ) as {{ period }}_leads,
        {%- endfor %}
        count(lead_number) filter (where before_on is null) as all_leads
    from {{ dimension }}_first_days
    group by {{ dimension }}_number, occurred_on
),
{%- endfor %}

days as (
    select
        'campaign' as dimension,
        names.channel,
        names.campaign_id,
        campaign_days.occurred_on,
        campaign_days.touches,
        {%- for period in ['day', 'week', 'month', 'quarter', 'all'] %}
        campaign_days.{{ period }}_leads{{ ',' if not loop.last }}
        {%- endfor %}
    from campaign_days
    inner join names using (campaign_number)
    union all
    select
        'channel',
        channels.channel,
        '',
        channel_days.occurred_on,
        channel_days.touches,
        {%- for period in ['day', 'week', 'month', 'quarter', 'all'] %}
        channel_days.{{ period }}_leads{{ ',' if not loop.last }}
        {%- endfor %}
    from channel_days
    inner join (select distinct channel_number, channel from names) as channels
        using (channel_number)
),

final as (
    select
        days.dimension,
        periods.period,
        periods.period_start,
        days.channel,
        days.campaign_id,
        sum(days.touches)::bigint as touches,
        sum(
            case periods.period
                when 'day' then days.day_leads
                when 'week' then days.week_leads
                when 'month' then days.month_leads
                when 'quarter' then days.quarter_leads
                when 'all' then days.all_leads
            end
        )::bigint as leads
    from days
    {{ periods('days.occurred_on') }}
    where {{ in_changed_periods() }}
    group by 1, 2, 3, 4, 5
)

select * from final

-- one row per dimension, period, channel and campaign that was touched
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['dimension', 'period', 'period_start', 'channel', 'campaign_id'],
    post_hook='{{ forget_untouched() }}',
    indexes=[{'columns': ['period', 'period_start', 'channel', 'campaign_id']}]
) }}

-- Leads are told apart by numbers.
with
{%- if is_incremental() %}

-- Of a table that is there, what has come is added and what is gone taken away: of the leads of which
-- touches have changed, all touches in the channel as they were, and as they are.
changed as (
    select * from {{ source('warehouse', 'changed_touches') }}
),

come as (
    select channel, campaign_id, lead_id, occurred_on
    from {{ ref('int_touches') }}
    where event_id in (select event_id from changed)
),

gone as (
    select channel, campaign_id, lead_id, occurred_on
    from changed
    where occurred_on is not null
),

lead_channels as (
    select lead_id, channel from come
    union
    select lead_id, channel from gone
),

stayed as (
    select touches.channel, touches.campaign_id, touches.lead_id, touches.occurred_on
    from lead_channels
    inner join {{ ref('int_touches') }} as touches
        on touches.lead_id = lead_channels.lead_id and touches.channel = lead_channels.channel
    left join changed on changed.event_id = touches.event_id
    where changed.event_id is null
),

counted as (
    select 1 as sign, channel, campaign_id, lead_id, occurred_on from come
    union all
    select -1, channel, campaign_id, lead_id, occurred_on from gone
    union all
    select 1, channel, campaign_id, lead_id, occurred_on from stayed
    union all
    select -1, channel, campaign_id, lead_id, occurred_on from stayed
),
{%- else %}

counted as (
    select 1 as sign, channel, campaign_id, lead_id, occurred_on
    from {{ ref('int_touches') }}
),
{%- endif %}

touches as (
    select
        {{ hashed('channel') }} as channel_number,
        {{ hashed("channel || chr(31) || campaign_id") }} as campaign_number,
        {{ hashed('lead_id') }} as lead_number,
        channel,
        campaign_id,
        occurred_on,
        sign
    from counted
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
        sign,
        count(*) as touches
    from touches
    group by campaign_number, lead_number, occurred_on, sign
),

channel_lead_days as (
    select
        names.channel_number,
        days.lead_number,
        days.occurred_on,
        days.sign,
        sum(days.touches) as touches
    from campaign_lead_days as days
    inner join names using (campaign_number)
    group by names.channel_number, days.lead_number, days.occurred_on, days.sign
),

{%- for dimension in ['campaign', 'channel'] %}

{{ dimension }}_first_days as (
    select
        *,
        lag(occurred_on) over (
            partition by {{ dimension }}_number, lead_number, sign order by occurred_on
        ) as before_on
    from {{ dimension }}_lead_days
),

{{ dimension }}_days as (
    select
        {{ dimension }}_number,
        occurred_on,
        sum(sign * touches) as touches,
        {{ counts_on_first_days(
            'occurred_on', 'before_on', 'case when lead_number is not null then sign else 0 end',
        ) }}
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
        campaign_days.{{ period }}_count{{ ',' if not loop.last }}
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
        channel_days.{{ period }}_count{{ ',' if not loop.last }}
        {%- endfor %}
    from channel_days
    inner join (select distinct channel_number, channel from names) as channels
        using (channel_number)
),

summed as (
    select
        days.dimension,
        periods.period,
        periods.period_start,
        days.channel,
        days.campaign_id,
        sum(days.touches)::bigint as touches,
        sum({{ count_of_period() }})::bigint as leads
    from days
    {{ periods('days.occurred_on') }}
    where days.touches <> 0 or days.day_count <> 0 or days.week_count <> 0
        or days.month_count <> 0 or days.quarter_count <> 0 or days.all_count <> 0
    group by 1, 2, 3, 4, 5
),

final as (
    {%- if is_incremental() %}
    select
        dimension,
        period,
        period_start,
        channel,
        campaign_id,
        summed.touches + coalesce(before.touches, 0) as touches,
        summed.leads + coalesce(before.leads, 0) as leads
    from summed
    left join {{ this }} as before using (dimension, period, period_start, channel, campaign_id)
    where summed.touches <> 0 or summed.leads <> 0
    {%- else %}
    select * from summed
    {%- endif %}
)

select * from final

-- one row per model, dimension, period, channel, campaign (or baseline) and currency with credit
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ forget_changed_figures('credit') }}",
    indexes=[{'columns': ['period', 'period_start', 'channel', 'campaign_id']}]
) }}

{%- set keys = ['model', 'channel', 'campaign_id', 'currency'] %}
{%- set sums %}
        min(age_days) as age_days,
        sum(share) as share,
        sum(iacv) as iacv,
        case when count(kept) = count(*) then sum(kept) end as kept,
        case when count(earned) = count(*) then sum(earned) end as earned
{%- endset %}
{%- set figures = 'age_days, share, iacv, kept, earned' %}

-- what an increment alone reads: depends_on: {{ ref('stg_credited_models') }} {{ ref('stg_conversions') }}
-- Credit is read where it lies: as a part of this query that several others read it would be written out.
with
{%- if is_incremental() %}

-- more than there may be: what is credited nothing has no sums
models (model) as (
    values
    {%- for model in credit_models() %}
        ('{{ model }}'){{ ',' if not loop.last }}
    {%- endfor %}
    union
    select model from {{ ref('stg_credited_models') }}
    union
    select model from {{ ref('int_credit') }}
    where (account_id, conversion_id) in (
        select account_id, conversion_id from {{ source('warehouse', 'changed_conversions') }}
    )
),

told as (
    select
        models.model,
        currencies.currency
    from models
    cross join (select distinct currency from {{ ref('stg_conversions') }}) as currencies
),

changed as (
    select
        {{ hashed(joined([
            'told.model', 'figures.channel', 'figures.campaign_id', 'told.currency',
        ])) }} as name_number,
        figures.dimension,
        told.model,
        figures.channel,
        figures.campaign_id,
        told.currency,
        figures.period,
        figures.period_start
    from {{ source('warehouse', 'changed_figures') }} as figures
    cross join told
    where figures.of_credit
),

names as (
    select distinct
        name_number,
        dimension,
        {{ keys | join(', ') }}
    from changed
),
{%- else %}

campaigns as (
    select distinct
        campaign_number,
        channel_number,
        {{ keys | join(', ') }}
    from {{ ref('int_credit') }}
),

names as (
    select
        campaign_number as name_number,
        'campaign' as dimension,
        {{ keys | join(', ') }}
    from campaigns
    union all
    select distinct
        channel_number,
        'channel',
        model,
        channel,
        '',
        currency
    from campaigns
),
{%- endif %}

by_age as (
    select
        campaign_number,
        channel_number,
        floor(age_days) as age,{{ sums }}
    from {{ ref('int_credit') }}
    group by 1, 2, 3
),

-- Of all time every touch counts that was ever credited: of whole days of age sums are enough to find
-- the median, but of the day that it is in.
ages as (
    select campaign_number as name_number, age, {{ figures }}
    from by_age
    union all
    select channel_number, age,{{ sums }}
    from by_age
    group by channel_number, age
),

shares_up_to as (
    select
        *,
        sum(share) over (partition by name_number order by age) as share_up_to,
        sum(share) over (partition by name_number) / 2 as half
    from ages
    {%- if is_incremental() %}
    where name_number in (select name_number from changed where period = 'all')
    {%- endif %}
),

judged as (
    select
        *,
        share_up_to >= half * (1 - 1e-9) and share_up_to - share <= half * (1 + 1e-9) as is_central
    from shares_up_to
),

{%- if is_incremental() %}

recent as (
    select * from {{ ref('int_credit') }}
    where occurred_on >= (select min(period_start) from changed where period <> 'all')
),
{%- endif %}

placed as (
    select
        name_number,
        'all' as period,
        '-infinity'::date as period_start,
        {{ figures }}
    from judged
    where not is_central
    {%- for dimension in ['campaign', 'channel'] %}
    union all
    select {{ dimension }}_number, 'all', '-infinity'::date, {{ figures }}
    from {{ ref('int_credit') }}
    where ({{ dimension }}_number, floor(age_days)) in (
        select name_number, age from judged
        where is_central
    )
    union all
    select credit.{{ dimension }}_number, periods.period, periods.period_start, {{ figures }}
    from {{ 'recent' if is_incremental() else ref('int_credit') }} as credit
    {{ periods('credit.occurred_on', ['day', 'week', 'month', 'quarter']) }}
    {%- if is_incremental() %}
    where (credit.{{ dimension }}_number, periods.period, periods.period_start) in (
        select name_number, period, period_start from changed
    )
    {%- endif %}
    {%- endfor %}
),

-- names are numbers before credit is placed in periods, and the two one number: a sort of all credit by
-- seven texts takes three times as long
numbered as (
    select
        *,
        {{ paired('name_number', period_number()) }} as group_number
    from placed
),

{{ credit_sums('numbered', ['group_number'], ['name_number', 'period', 'period_start']) }},

final as (
    select
        names.model,
        names.dimension,
        names.channel,
        names.campaign_id,
        names.currency,
        summed.period,
        summed.period_start,
        summed.conversions,
        summed.iacv,
        summed.kept,
        summed.earned,
        -- of what no campaign gets there is no median
        case when names.channel <> '(baseline)' then summed.median_conversion_days end
            as median_conversion_days,
        case when names.channel <> '(baseline)' then summed.iacv_at_median_conversion_time end
            as iacv_at_median_conversion_time
    from summed
    inner join names using (name_number)
)

select * from final

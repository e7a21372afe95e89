{# What campaigns or channels cost and brought, as CTEs of which the last is `figures`; of a mart that
   is brought up to date, only what may have changed. #}
{% macro performance(dimension) -%}
touch_counts as (
    select * from {{ ref('int_touch_counts') }} as figures
    where dimension = '{{ dimension }}' and {{ in_changed_figures('figures', dimension) }}
),

spend as (
    select * from {{ ref('int_spend') }} as figures
    where dimension = '{{ dimension }}' and {{ in_changed_figures('figures', dimension) }}
),

attributed_leads as (
    select * from {{ ref('int_attributed_leads') }} as figures
    where dimension = '{{ dimension }}' and {{ in_changed_figures('figures', dimension) }}
),

credit as (
    select * from {{ ref('int_credit_sums') }} as figures
    where dimension = '{{ dimension }}' and {{ in_changed_figures('figures', dimension) }}
),

intervals as (
    select
        *,
        'bayesian' as model
    from {{ ref('stg_credit_intervals') }} as figures
    where dimension = '{{ dimension }}' and {{ in_changed_figures('figures', dimension) }}
),

bounded as (
    select * from {{ ref('stg_bounded_channels') }}
),

unexplained as (
    select
        period,
        period_start,
        '(baseline)' as channel,
        '{{ '(baseline)' if dimension == 'campaign' else '' }}' as campaign_id,
        currency,
        iacv::double precision as iacv
    from {{ ref('int_unexplained_iacv') }}
),

-- of all time, so of all there is
all_credit as (
    select model, currency from {{ ref('int_credit_sums') }}
    where period = 'all' and dimension = '{{ dimension }}'
),

all_leads as (
    select model from {{ ref('int_attributed_leads') }}
    where period = 'all' and dimension = '{{ dimension }}'
),

all_spend as (
    select currency from {{ ref('int_spend') }}
    where period = 'all' and dimension = '{{ dimension }}'
),

{{ models_cte('all_credit', 'all_leads') }},

-- without any revenue or spend the currency is ISO 4217's "no currency"
currencies as (
    select currency from unexplained
    union
    select currency from all_spend
    union
    select currency from all_credit
    union
    select 'XXX' as currency
    where not exists (select 1 from unexplained) and not exists (select 1 from all_spend)
),

keys as (
    select touched.period, touched.period_start, touched.channel, touched.campaign_id
    from (
        select period, period_start, channel, campaign_id from touch_counts
        union
        select period, period_start, channel, campaign_id from spend
        union
        select period, period_start, channel, campaign_id from attributed_leads
        union
        select period, period_start, channel, campaign_id from credit
        union
        select period, period_start, channel, campaign_id from unexplained
        where exists (select 1 from all_credit)
    ) as touched
    where {{ in_changed_figures('touched', dimension) }}
),

joined as (
    select
        models.model,
        models.has_credit,
        models.has_lead_credit,
        keys.*,
        keys.channel = '(baseline)' as is_baseline,
        models.model = 'bayesian' and keys.channel in (select channel from bounded) as is_bounded,
        currencies.currency,
        touch_counts.touches,
        touch_counts.leads,
        spend.spend::double precision as spend,
        attributed_leads.attributed_leads,
        credit.conversions,
        credit.iacv,
        credit.kept,
        credit.earned,
        credit.median_conversion_days,
        credit.iacv_at_median_conversion_time,
        {%- for figure in ['conversions', 'iacv', 'value', 'ltv'] %}
        intervals.{{ figure }}_low,
        intervals.{{ figure }}_high,
        {%- endfor %}
        unexplained.iacv as unexplained_iacv
    from keys
    cross join models
    cross join currencies
    left join touch_counts using (period, period_start, channel, campaign_id)
    left join spend using (period, period_start, channel, campaign_id, currency)
    left join attributed_leads
        using (model, period, period_start, channel, campaign_id)
    left join credit
        using (model, period, period_start, channel, campaign_id, currency)
    left join intervals
        using (model, period, period_start, channel, campaign_id, currency)
    left join unexplained using (period, period_start, channel, campaign_id, currency)
),

{{ figures('joined', ['channel', 'campaign_id']) }}
{%- endmacro %}

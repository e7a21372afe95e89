{# Performance by whom touches were of, or by what they carried: `touches` and `credit` name the
   member of each row as `member`, `leads` those of whom the share of a lead is.

   All is added up when it is asked for, so that a question of one member, or of one model and period,
   reads what it needs: a row for each member, model and day would be a hundred times the touches. So
   that it does, the three are not materialized, and members that have no id are rows apart: an index
   finds no `coalesce`. Which leads collateral won no model says. A
   touch costs its campaign's spend of the month by its touches then. What no campaign gets is the
   member (baseline), what is nobody's (unknown). #}
{% macro member_performance(dimension, member) -%}
touched as (
    select
        periods.period,
        periods.period_start,
        touches.member,
        count(*) as touches,
        count(distinct touches.lead_id) as leads
    from touches
    {{ periods('touches.occurred_on') }}
    group by 1, 2, 3
),

spent as (
    select
        periods.period,
        periods.period_start,
        touches.member,
        costs.currency,
        sum(costs.cost) as spend
    from touches
    inner join {{ ref('int_touch_costs') }} as costs
        on costs.month = {{ period_start('month', 'touches.occurred_on') }}
        and costs.channel = touches.channel
        and costs.campaign_id = touches.campaign_id
    {{ periods('touches.occurred_on') }}
    group by 1, 2, 3, 4
),

credited_leads as (
    select
        leads.model,
        periods.period,
        periods.period_start,
        leads.member,
        sum(leads.share) as attributed_leads
    from leads
    {{ periods('leads.became_lead_on') }}
    group by 1, 2, 3, 4
),

placed as (
    select
        credit.model,
        periods.period,
        periods.period_start,
        credit.member,
        credit.currency,
        credit.age_days,
        credit.share,
        credit.iacv,
        credit.kept,
        credit.earned
    from credit
    {{ periods('credit.occurred_on') }}
),

{{ credit_sums('placed', ['model', 'period', 'period_start', 'member', 'currency']) }},

intervals as (
    select
        'bayesian' as model,
        period,
        period_start,
        {{ member }} as member,
        currency,
        conversions_low,
        conversions_high,
        iacv_low,
        iacv_high,
        value_low,
        value_high,
        ltv_low,
        ltv_high
    from {{ ref('stg_credit_intervals') }}
    where dimension = '{{ dimension }}'
    union all
    select
        'bayesian', period, period_start, '(baseline)', currency, conversions_low, conversions_high,
        iacv_low, iacv_high, null, null, null, null
    from {{ ref('stg_credit_intervals') }}
    where dimension = 'channel' and channel = '(baseline)'
),

unexplained as (
    select * from {{ ref('int_unexplained_iacv') }}
),

all_leads as (
    select model from {{ ref('int_attributed_leads') }}
    where period = 'all' and dimension = 'channel' and '{{ dimension }}' <> 'collateral'
),

{{ models_cte(ref('stg_credited_models'), 'all_leads') }},

currencies as (
    select distinct currency from {{ ref('int_touch_costs') }}
    union
    select distinct currency from unexplained
    union
    select 'XXX' as currency
    where not exists (select 1 from unexplained)
        and not exists (select 1 from {{ ref('int_touch_costs') }})
),

-- each source as rows of its own, so that what is asked for is looked for in each
pieces as (
    select
        models.model, touched.period, touched.period_start, touched.member, currencies.currency,
        touched.touches, touched.leads, {{ no_figure('spend') }}, {{ no_figure('attributed_leads') }},
        {{ no_credit() }}
    from touched
    cross join models
    cross join currencies
    union all
    select
        models.model, spent.period, spent.period_start, spent.member, spent.currency,
        null, null, spent.spend, null, {{ no_credit() }}
    from spent
    cross join models
    union all
    select
        credited_leads.model, credited_leads.period, credited_leads.period_start,
        credited_leads.member, currencies.currency,
        null, null, null, credited_leads.attributed_leads, {{ no_credit() }}
    from credited_leads
    cross join currencies
    union all
    select
        model, period, period_start, member, currency,
        null, null, null, null,
        conversions, iacv, kept, earned,
        case when member <> '(baseline)' then median_conversion_days end,
        case when member <> '(baseline)' then iacv_at_median_conversion_time end,
        null, null, null, null, null, null, null, null, null
    from summed
    union all
    select
        model, period, period_start, member, currency,
        null, null, null, null, null, null, null, null, null, null,
        conversions_low, conversions_high, iacv_low, iacv_high,
        value_low, value_high, ltv_low, ltv_high, null
    from intervals
    union all
    select
        models.model, unexplained.period, unexplained.period_start, '(baseline)',
        unexplained.currency,
        null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
        null, null, null, unexplained.iacv::double precision
    from unexplained
    cross join models
    where models.has_credit
),

joined as (
    select
        pieces.model,
        models.has_credit,
        models.has_lead_credit,
        pieces.period,
        pieces.period_start,
        pieces.member,
        pieces.member = '(baseline)' as is_baseline,
        false as is_bounded,
        pieces.currency,
        {%- for figure in member_figures() %}
        max(pieces.{{ figure }}) as {{ figure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from pieces
    inner join models using (model)
    group by 1, 2, 3, 4, 5, 6, 9
),

{{ figures('joined', ['member']) }}
{%- endmacro %}

{% macro no_figure(figure) -%}
null::double precision as {{ figure }}
{%- endmacro %}

{# What a row of credit has, none of it. #}
{% macro no_credit() -%}
{%- for figure in member_figures()[4:] %}
        {{ no_figure(figure) }}{{ ',' if not loop.last }}
{%- endfor %}
{%- endmacro %}

{% macro member_figures() -%}
{{ return([
    'touches', 'leads', 'spend', 'attributed_leads', 'conversions', 'iacv', 'kept', 'earned',
    'median_conversion_days', 'iacv_at_median_conversion_time', 'conversions_low',
    'conversions_high', 'iacv_low', 'iacv_high', 'value_low', 'value_high', 'ltv_low', 'ltv_high',
    'unexplained_iacv',
]) }}
{%- endmacro %}

{# Touches with the member that a column names, or `nobody`. #}
{% macro touches_of(column, nobody) -%}
touches as not materialized (
    select occurred_on, channel, campaign_id, lead_id, {{ column }} as member
    from {{ ref('int_touches') }}
    where {{ column }} is not null
    union all
    select occurred_on, channel, campaign_id, lead_id, '{{ nobody }}'
    from {{ ref('int_touches') }}
    where {{ column }} is null
)
{%- endmacro %}

{# The same of credit, of which the baseline has its own. #}
{% macro credit_of(column, nobody) -%}
credit as not materialized (
    {%- for member, condition in [
        (column, 'touch_id is not null and ' ~ column ~ ' is not null'),
        ("'" ~ nobody ~ "'", 'touch_id is not null and ' ~ column ~ ' is null'),
        ("'(baseline)'", 'touch_id is null'),
    ] %}
    select model, occurred_on, {{ member }} as member, currency, age_days, share, iacv, kept, earned
    from {{ ref('int_credit') }}
    where {{ condition }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}

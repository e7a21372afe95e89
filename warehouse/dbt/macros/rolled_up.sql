{# Sums over days rolled up step by step, quarters and all time from months and channels from campaigns,
   so that each step reads what the one before has left. `days` has occurred_on, channel, campaign_id,
   the columns of `keys`, and those of `sums`. The last CTE is `rolled_up`. #}
{% macro rolled_up(days, keys, sums) -%}
{%- set others = (keys + ['channel']) | join(', ') -%}
{%- set totals -%}
{%- for figure in sums %}
        sum({{ figure }}) as {{ figure }}{{ ',' if not loop.last }}
{%- endfor %}
{%- endset -%}
by_week as (
    select
        {{ period_start('week', 'occurred_on') }} as period_start,
        {{ others }},
        campaign_id,{{ totals }}
    from {{ days }}
    group by {{ period_start('week', 'occurred_on') }}, {{ others }}, campaign_id
),

by_month as (
    select
        {{ period_start('month', 'occurred_on') }} as period_start,
        {{ others }},
        campaign_id,{{ totals }}
    from {{ days }}
    group by {{ period_start('month', 'occurred_on') }}, {{ others }}, campaign_id
),

by_quarter as (
    select
        {{ period_start('quarter', 'period_start') }} as period_start,
        {{ others }},
        campaign_id,{{ totals }}
    from by_month
    group by {{ period_start('quarter', 'period_start') }}, {{ others }}, campaign_id
),

by_all as (
    select
        '-infinity'::date as period_start,
        {{ others }},
        campaign_id,{{ totals }}
    from by_quarter
    group by {{ others }}, campaign_id
),

by_campaign as (
    select
        'day' as period,
        occurred_on as period_start,
        {{ others }},
        campaign_id,
        {{ sums | join(', ') }}
    from {{ days }}
    {%- for period in ['week', 'month', 'quarter', 'all'] %}
    union all
    select
        '{{ period }}', period_start, {{ others }}, campaign_id, {{ sums | join(', ') }}
    from by_{{ period }}
    {%- endfor %}
),

rolled_up as (
    select
        'campaign' as dimension,
        period,
        period_start,
        {{ others }},
        campaign_id,
        {{ sums | join(', ') }}
    from by_campaign
    union all
    select
        'channel',
        period,
        period_start,
        {{ others }},
        '',{{ totals }}
    from by_campaign
    group by period, period_start, {{ others }}
)
{%- endmacro %}

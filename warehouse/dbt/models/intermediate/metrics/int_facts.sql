-- one row per fact that a metric is made of: a deal won, a day of spend, a lead's first status
{%- set sources = [
    'int_revenue_facts', 'int_deal_facts', 'int_marketing_facts', 'int_finance_facts',
    'int_people_facts', 'int_engineering_facts', 'int_product_facts',
] %}

with facts as (
    {%- for source in sources %}
    select * from {{ ref(source) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

metrics as (
    select * from {{ ref('int_metrics') }}
),

data_days as (
    select * from {{ ref('int_data_days') }}
),

-- half of what a metric needs would make a wrong figure, not half a figure
final as (
    select
        facts.*,
        metrics.aggregation
    from facts
    inner join metrics on metrics.metric = facts.metric and metrics.is_available
    inner join data_days on data_days.last_on >= facts.occurred_on
)

select * from final

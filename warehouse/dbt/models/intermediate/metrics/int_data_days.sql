-- one row: the first and the last day that anything is known of, none after `as_of`
{%- set days = {
    'stg_revenue': 'occurred_on',
    'stg_opportunities': 'occurred_on',
    'stg_spend': 'spent_on',
    'stg_lead_statuses': 'occurred_on',
    'stg_invoices': 'occurred_on',
    'stg_payments': 'occurred_on',
    'stg_ledger': 'occurred_on',
    'stg_applications': 'occurred_on',
    'stg_surveys': 'occurred_on',
    'stg_employees': 'occurred_on',
    'stg_merge_requests': 'occurred_on',
    'int_usage_by_day': 'occurred_on',
    'stg_experiments': 'occurred_on',
} %}

with days as (
    {%- for model, day in days.items() %}
    select
        min({{ day }}) as first_on,
        max({{ day }}) as last_on
    from {{ ref(model) }}
    union all
    {%- endfor %}
    -- days of touches, of which there are fewer than touches
    select
        min(period_start),
        max(period_start)
    from {{ ref('int_touch_counts') }}
    where dimension = 'channel' and period = 'day'
),

final as (
    select
        min(days.first_on) as first_on,
        least(max(days.last_on), max(transform.as_of)) as last_on
    from days
    cross join {{ ref('stg_transform') }} as transform
)

select * from final

-- one row per fact of marketing's metrics
{{ config(materialized='view') }}

with downloads as (
    select * from {{ ref('int_touch_subjects') }}
    where touch_type = 'download'
),

leads as (
    select
        *,
        case when mql_on is not null then 1 else 0 end as is_mql,
        case when sql_on is not null then 1 else 0 end as is_sql,
        case when last_won_on >= lead_on then 1 else 0 end as is_won,
        case when last_won_on >= sql_on then 1 else 0 end as is_won_since_sql
    from {{ ref('int_lead_steps') }}
),

origins as (
    select
        *,
        case when won_at is not null then 1 else 0 end as is_won
    from {{ ref('int_lead_origins') }}
),

spend as (
    select * from {{ ref('stg_spend') }}
),

expenses as (
    select * from {{ ref('int_ledger') }}
    where entry in ('sales_expense', 'marketing_expense')
),

-- a customer is one in each currency that expenses are in
new_customers as (
    select
        customers.became_on,
        currencies.currency
    from {{ ref('int_new_customers') }} as customers
    cross join (select distinct currency from expenses) as currencies
),

contributors as (
    select
        author,
        min(merged_on) as first_merged_on
    from {{ ref('int_merge_requests') }}
    where is_community and merged_on is not null
    group by author
),

final as (
    {{ fact('downloads', 'occurred_on', numerator='touches') }}
    from downloads
    union all
    {{ fact('mql', 'mql_on', numerator='1') }}
    from leads
    where mql_on is not null
    union all
    {{ fact('sql', 'sql_on', numerator='1') }}
    from leads
    where sql_on is not null
    union all
    {{ fact('lead_to_mql', 'lead_on', numerator='is_mql', denominator='1') }}
    from leads
    union all
    {{ fact('mql_to_sql', 'mql_on', numerator='is_sql', denominator='1') }}
    from leads
    where mql_on is not null
    union all
    {{ fact('sql_to_won', 'sql_on', numerator='is_won_since_sql', denominator='1') }}
    from leads
    where sql_on is not null
    union all
    {{ fact('lead_to_won', 'lead_on', numerator='is_won', denominator='1') }}
    from leads
    union all
    {{ fact('leads_by_origin', 'lead_on', breakdown='parts.part', numerator='1') }}
    from origins
    {{ whole_and('channel') }}
    union all
    {{ fact(
        'lead_to_customer', 'lead_on', breakdown='parts.part', numerator='is_won', denominator='1',
    ) }}
    from origins
    {{ whole_and('channel') }}
    union all
    {{ fact(
        'days_to_customer', 'lead_on', breakdown='parts.part',
        observation=days_between('lead_at', 'won_at'),
    ) }}
    from origins
    {{ whole_and('channel') }}
    where won_at is not null
    union all
    {{ fact('blended_cac', 'occurred_on', currency='currency', numerator='amount') }}
    from expenses
    union all
    {{ fact('blended_cac', 'became_on', currency='currency', denominator='1') }}
    from new_customers
    union all
    {{ fact(
        'program_spend_share', 'spent_on', currency=reporting_currency('spend.currency'),
        numerator=reporting_amount('spend.amount'),
    ) }}
    from spend
    {{ rate_join('spend', 'spent_on') }}
    union all
    {{ fact('program_spend_share', 'occurred_on', currency='currency', denominator='amount') }}
    from expenses
    where entry = 'marketing_expense'
    union all
    {{ fact('new_contributors', 'first_merged_on', numerator='1') }}
    from contributors
)

select * from final

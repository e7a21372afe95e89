-- one row per fact of a metric made of contract values
{{ config(materialized='view') }}

with revenue as (
    select * from {{ ref('int_revenue') }}
),

-- what was up for renewal, and what was left of it
renewals as (
    select
        occurred_on,
        currency,
        iacv_before,
        greatest(iacv_before + iacv, 0) as iacv_after
    from revenue
    where kind in ('renewal', 'churn') and iacv_before > 0
),

upsells as (
    select
        occurred_on,
        currency,
        iacv,
        previous_product || ' → ' || product as step
    from revenue
    where kind = 'expansion' and previous_product <> product
),

expenses as (
    select * from {{ ref('int_ledger') }}
    where entry in ('sales_expense', 'marketing_expense')
),

final as (
    {{ fact('iacv', 'occurred_on', currency='currency', numerator='iacv') }}
    from revenue
    union all
    {{ fact('arr', 'occurred_on', currency='currency', numerator='iacv') }}
    from revenue
    union all
    {{ fact('tcv', 'occurred_on', currency='currency', numerator='tcv') }}
    from revenue
    where tcv is not null
    union all
    {{ fact(
        'average_deal_size', 'occurred_on', currency='currency', numerator='iacv', denominator='1',
    ) }}
    from revenue
    where kind = 'new'
    union all
    {{ fact(
        'gross_renewal_rate', 'occurred_on', currency='currency',
        numerator='least(iacv_before, iacv_after)', denominator='iacv_before',
    ) }}
    from renewals
    union all
    {{ fact(
        'net_renewal_rate', 'occurred_on', currency='currency',
        numerator='iacv_after', denominator='iacv_before',
    ) }}
    from renewals
    union all
    {{ fact(
        'upsell_iacv', 'occurred_on', breakdown='parts.part', currency='currency', numerator='iacv',
    ) }}
    from upsells
    {{ whole_and('step') }}
    union all
    {{ fact('sales_efficiency', 'occurred_on', currency='currency', numerator='iacv') }}
    from revenue
    union all
    {{ fact('sales_efficiency', 'occurred_on', currency='currency', denominator='amount') }}
    from expenses
)

select * from final

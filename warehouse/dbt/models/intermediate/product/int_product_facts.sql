-- one row per fact of the product's metrics
{{ config(materialized='view') }}

with usage as (
    select * from {{ ref('int_usage_by_day') }}
),

starts as (
    select * from {{ ref('int_feature_starts') }}
),

-- what goes with a feature that is new to an account
bought as (
    select
        starts.feature,
        revenue.occurred_on,
        revenue.iacv,
        revenue.currency
    from {{ ref('int_revenue') }} as revenue
    inner join starts
        on starts.account_id = revenue.account_id
        and revenue.occurred_on >= starts.first_used_on
        and revenue.occurred_on <= starts.first_used_on + 90
    where revenue.kind in ('new', 'expansion')
),

shares as (
    select * from {{ ref('int_touch_subjects') }}
    where touch_type = 'share'
),

final as (
    {{ fact('times_used', 'occurred_on', breakdown='parts.part', numerator='times') }}
    from usage
    {{ whole_and('feature') }}
    union all
    {{ fact('active_accounts', 'occurred_on', breakdown='parts.part', subject='account_id') }}
    from usage
    {{ whole_and('feature') }}
    where account_id is not null
    union all
    {{ fact('active_users', 'occurred_on', breakdown='parts.part', person='person_id') }}
    from usage
    {{ whole_and('feature') }}
    where person_id is not null
    union all
    {{ fact(
        'features_per_account', 'occurred_on',
        subject='account_id || chr(31) || feature', per='account_id',
    ) }}
    from usage
    where account_id is not null
    union all
    {{ fact(
        'new_feature_iacv', 'occurred_on', breakdown='feature', currency='currency',
        numerator='iacv',
    ) }}
    from bought
    union all
    {{ fact('next_feature_share', 'first_used_on', breakdown='features::text', denominator='1') }}
    from starts
    union all
    {{ fact(
        'next_feature_share', 'first_used_on', breakdown='(features - 1)::text', numerator='1',
    ) }}
    from starts
    where features > 1
    union all
    {{ fact('release_shares', 'occurred_on', numerator='touches') }}
    from shares
    union all
    {{ fact('release_shares', 'occurred_on', breakdown='collateral_id', numerator='touches') }}
    from shares
    where collateral_id <> ''
)

select * from final

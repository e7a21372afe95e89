-- one row per account and feature: the day of its first use, and how many features that makes
with usage as (
    select * from {{ ref('int_usage_by_day') }}
    where account_id is not null
),

starts as (
    select
        account_id,
        feature,
        min(occurred_on) as first_used_on
    from usage
    group by 1, 2
),

final as (
    select
        *,
        row_number() over (partition by account_id order by first_used_on, feature) as features
    from starts
)

select * from final

-- one row per day, type of touch, collateral and whose it was: a person's, or else an account's
with touches as (
    select * from {{ ref('int_touches') }}
    where touch_type in ('visit', 'page_view', 'download', 'share')
),

final as (
    select
        occurred_on,
        touch_type,
        coalesce(collateral_id, '') as collateral_id,
        person_id,
        case when person_id is null then account_id end as account_id,
        count(*) as touches
    from touches
    group by 1, 2, 3, 4, 5
)

select * from final

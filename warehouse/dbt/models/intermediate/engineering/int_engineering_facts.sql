-- one row per fact of engineering's metrics, for all merge requests and by whose they are
{{ config(materialized='view') }}

with merge_requests as (
    select
        merge_requests.*,
        parts.part as whose
    from {{ ref('int_merge_requests') }} as merge_requests
    {{ whole_and("case when is_community then 'community' else 'ours' end") }}
),

final as (
    {{ fact('merge_requests', 'merged_on', breakdown='whose', numerator='1') }}
    from merge_requests
    where merged_on is not null
    union all
    {{ fact(
        'cycle_days', 'merged_on', breakdown='whose',
        observation=days_between('opened_at', 'merged_at'),
    ) }}
    from merge_requests
    where opened_at is not null and merged_at is not null
    union all
    {{ fact(
        'review_days', 'reviewed_on', breakdown='whose',
        observation=days_between('opened_at', 'reviewed_at'),
    ) }}
    from merge_requests
    where opened_at is not null and reviewed_at is not null
    union all
    {{ fact('picked_fixes', 'picked_on', breakdown='whose', numerator='1') }}
    from merge_requests
    where picked_on is not null
)

select * from final

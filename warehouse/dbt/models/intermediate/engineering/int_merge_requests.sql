-- one row per merge request: when it first came to each state, and whose it is
with states as (
    select * from {{ ref('stg_merge_requests') }}
),

final as (
    select
        merge_request_id,
        min(author) as author,
        bool_or(is_community) as is_community,
        min(occurred_at) filter (where state = 'opened') as opened_at,
        min(occurred_at) filter (where state = 'reviewed') as reviewed_at,
        min(occurred_on) filter (where state = 'reviewed') as reviewed_on,
        min(occurred_at) filter (where state = 'merged') as merged_at,
        min(occurred_on) filter (where state = 'merged') as merged_on,
        min(occurred_on) filter (where state = 'picked') as picked_on
    from states
    group by merge_request_id
)

select * from final

-- one row per metric of the dictionary: do the events come that it needs?
with metrics as (
    select * from {{ ref('metrics') }}
),

missing as (
    select
        metrics.metric,
        'no events of type '
        || string_agg(
            replace(kinds.event_kind, ':', ' (')
            || case when position(':' in kinds.event_kind) > 0 then ')' else '' end,
            ', ' order by kinds.event_kind
        )
        || ' yet' as reason
    from metrics
    inner join {{ ref('int_event_kinds') }} as kinds
        on position(' ' || kinds.event_kind || ' ' in ' ' || metrics.needs || ' ') > 0
    where not kinds.is_there
    group by metrics.metric
),

final as (
    select
        metrics.department,
        metrics.metric,
        metrics.aggregation,
        metrics.target,
        metrics.target_is,
        missing.reason is null as is_available,
        missing.reason
    from metrics
    left join missing using (metric)
)

select * from final

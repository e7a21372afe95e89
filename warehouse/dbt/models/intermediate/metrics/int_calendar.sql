-- one row per period that has begun, with its last day, and the day that its state is as of
with recursive data_days as (
    select * from {{ ref('int_data_days') }}
),

days as (
    select first_on as day from data_days
    where first_on <= last_on
    union all
    select days.day + 1 from days
    cross join data_days
    where days.day < data_days.last_on
),

periods as (
    select
        periods.period,
        periods.period_start,
        max(days.day) as as_of_on
    from days
    {{ periods('days.day') }}
    group by 1, 2
),

final as (
    select
        period,
        period_start,
        {{ period_end('period', 'period_start') }} as ends_on,
        as_of_on
    from periods
)

select * from final

-- one row per variant of an A/B test that is no control, and period until its last news
with told as (
    select
        *,
        lead(occurred_on, 1, 'infinity'::date)
            over (partition by experiment_id, variant order by occurred_on) as told_until,
        max(occurred_on) over (partition by experiment_id) as last_on
    from {{ ref('stg_experiments') }}
),

calendar as (
    select * from {{ ref('int_calendar') }}
),

states as (
    select
        calendar.period,
        calendar.period_start,
        told.experiment_id,
        told.variant,
        told.is_control,
        told.subjects::double precision as subjects,
        told.successes::double precision as successes
    from told
    inner join calendar
        on calendar.as_of_on >= told.occurred_on
        and calendar.as_of_on < told.told_until
        and calendar.period_start <= told.last_on
),

controls as (
    select
        period,
        period_start,
        experiment_id,
        sum(subjects) as subjects,
        sum(successes) / sum(subjects) as rate
    from states
    where is_control
    group by 1, 2, 3
),

beside as (
    select
        states.period,
        states.period_start,
        states.experiment_id,
        states.variant,
        states.subjects,
        states.successes / states.subjects as rate,
        controls.subjects as control_subjects,
        controls.rate as control_rate
    from states
    inner join controls using (period, period_start, experiment_id)
    where not states.is_control
),

bounds as (
    select
        *,
        {{ wilson('rate', 'subjects', '-') }} as low,
        {{ wilson('rate', 'subjects', '+') }} as high,
        {{ wilson('control_rate', 'control_subjects', '-') }} as control_low,
        {{ wilson('control_rate', 'control_subjects', '+') }} as control_high
    from beside
),

intervals as (
    select
        *,
        rate - control_rate as lift,
        sqrt(
            (rate - low) * (rate - low)
            + (control_high - control_rate) * (control_high - control_rate)
        ) as below,
        sqrt(
            (high - rate) * (high - rate)
            + (control_rate - control_low) * (control_rate - control_low)
        ) as above
    from bounds
),

final as (
    select
        'ab_lift' as metric,
        experiment_id || ': ' || variant as breakdown,
        period,
        period_start,
        '' as currency,
        {{ share('lift') }} as value,
        {{ share('lift - below') }} as value_low,
        {{ share('lift + above') }} as value_high,
        rate as numerator,
        control_rate as denominator
    from intervals
)

select * from final

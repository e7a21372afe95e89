{# Rows where the IACV of a mart's rows in a period is not all the IACV there is in it; of a mart that is
   `large` and was brought up to date, in periods in which credit or the baseline's was told anew. #}
{% macro iacv_adds_up(mart, large=false) %}
with marts as (
    select model, period, period_start, currency, sum(attributed_iacv_mean) as iacv
    from {{ mart }}
    where attributed_iacv_mean is not null
    {%- if large and not flags.FULL_REFRESH %}
        and (period, coalesce(period_start, '-infinity'::date)) in (
            select period, period_start from {{ source('warehouse', 'changed_figures') }}
            where of_credit or channel = '(baseline)'
        )
    {%- endif %}
    group by 1, 2, 3, 4
),

revenue as (
    select
        periods.period,
        nullif(periods.period_start, '-infinity'::date) as period_start,
        revenue.currency,
        sum(revenue.iacv) as iacv,
        sum(abs(revenue.iacv)) as turnover
    from {{ ref('int_revenue') }} as revenue
    {{ periods('revenue.occurred_on') }}
    group by 1, 2, 3
)

select
    marts.*,
    revenue.iacv as expected
from marts
left join revenue
    on revenue.period = marts.period
    and revenue.currency = marts.currency
    and revenue.period_start is not distinct from marts.period_start
where abs(marts.iacv - coalesce(revenue.iacv, 0)) > 0.005 + 1e-6 * coalesce(revenue.turnover, 0)
{% endmacro %}

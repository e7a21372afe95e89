{# What each group of credit comes to, as the CTE `summed`, with the credit-weighted median of the days
   from touch to conversion. `rows` has the columns that groups are `by`, age_days, share, iacv, kept and
   earned, and such as are `carried`: one in all rows of a group. What is kept or earned is null where
   some of it is not known. Where exactly half the credit lies on each side, the median is the middle of
   the two, and what is credited within it is what has come up to the first. A question of few groups
   is asked of `rows`, for all windows are parted by what groups are by. #}
{% macro credit_sums(rows, by, carried=[]) -%}
{%- set groups = by | join(', ') -%}
ranked as (
    select
        *,
        sum(share) over (partition by {{ groups }} order by age_days) as share_so_far,
        sum(iacv) over (partition by {{ groups }} order by age_days) as iacv_so_far,
        sum(share) over (partition by {{ groups }}) / 2 as half
    from {{ rows }}
),

summed as (
    select
        {%- for column in by %}
        {{ column }},
        {%- endfor %}
        {%- for column in carried %}
        min({{ column }}) as {{ column }},
        {%- endfor %}
        sum(share) as conversions,
        sum(iacv) as iacv,
        case when count(kept) = count(*) then sum(kept) end as kept,
        case when count(earned) = count(*) then sum(earned) end as earned,
        (
            min(age_days) filter (where share_so_far >= half * (1 - 1e-9))
            + min(age_days) filter (where share_so_far > half * (1 + 1e-9))
        ) / 2 as median_conversion_days,
        min(iacv_so_far) filter (where share_so_far >= half * (1 - 1e-9))
            as iacv_at_median_conversion_time
    from ranked
    group by {{ groups }}
)
{%- endmacro %}

{# A number for each period there is. #}
{% macro period_number() -%}
case period
    when 'all' then 0
    {%- for period in ['day', 'week', 'month', 'quarter'] %}
    when '{{ period }}' then (period_start - date '2000-01-01') * 8 + {{ loop.index }}
    {%- endfor %}
end
{%- endmacro %}

{# The columns as one text. #}
{% macro joined(columns) -%}
{%- for column in columns -%}
{{ column }}::text{{ " || chr(31) || " if not loop.last }}
{%- endfor -%}
{%- endmacro %}

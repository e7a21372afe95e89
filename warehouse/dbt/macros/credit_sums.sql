{# What each group of credit comes to, with the credit-weighted median of the days from touch to
   conversion. `rows` has name_number, period, period_start, age_days, share, iacv, kept and earned;
   `names` has the columns of `keys` of each name_number, channel among them; of what no campaign gets
   there is no median. What is kept or earned is null where some of it is not known. Where exactly half
   the credit lies on each side, the median is the middle of the two, and what is credited within it is
   what has come up to the first. Names are made numbers before credit is placed in periods, and the
   two one number: a sort of all credit by seven texts takes three times as long. #}
{% macro credit_sums(rows, names, keys) -%}
numbered as (
    select
        {{ paired('name_number', period_number()) }} as group_number,
        name_number,
        period,
        period_start,
        age_days,
        share,
        iacv,
        kept,
        earned
    from {{ rows }}
),

ranked as (
    select
        *,
        sum(share) over (partition by group_number order by age_days) as share_so_far,
        sum(iacv) over (partition by group_number order by age_days) as iacv_so_far,
        sum(share) over (partition by group_number) / 2 as half
    from numbered
),

summed as (
    select
        min(name_number) as name_number,
        min(period) as period,
        min(period_start) as period_start,
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
    group by group_number
),

credit_sums as (
    select
        {%- for key in keys %}
        names.{{ key }},
        {%- endfor %}
        summed.period,
        summed.period_start,
        summed.conversions,
        summed.iacv,
        summed.kept,
        summed.earned,
        case when names.channel <> '(baseline)' then summed.median_conversion_days end
            as median_conversion_days,
        case when names.channel <> '(baseline)' then summed.iacv_at_median_conversion_time end
            as iacv_at_median_conversion_time
    from summed
    inner join {{ names }} as names using (name_number)
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

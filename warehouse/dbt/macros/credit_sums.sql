{# What each group of credit comes to, with the credit-weighted median of the days from touch to
   conversion. `rows` has the columns of `keys`, and age_days, share, iacv, kept and earned; of what
   no campaign gets there is no median. What is kept or earned is null where some of it is not known.
   Where exactly half the credit lies on each side, the median is the middle of the two, and what is
   credited within it is what has come up to the first. Groups are told apart by numbers: a sort of
   all credit by seven texts takes three times as long. #}
{% macro credit_sums(rows, keys) -%}
numbered as (
    select
        {{ hashed(joined(keys)) }} as group_number,
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
        group_number,
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

group_names as (
    select distinct
        {{ hashed(joined(keys)) }} as group_number,
        {{ keys | join(', ') }}
    from {{ rows }}
),

credit_sums as (
    select
        {{ keys | join(', ') }},
        conversions,
        iacv,
        kept,
        earned,
        case when channel <> '(baseline)' then median_conversion_days end as median_conversion_days,
        case when channel <> '(baseline)' then iacv_at_median_conversion_time end
            as iacv_at_median_conversion_time
    from summed
    inner join group_names using (group_number)
)
{%- endmacro %}

{# The columns as one text. #}
{% macro joined(columns) -%}
{%- for column in columns -%}
{{ column }}::text{{ " || chr(31) || " if not loop.last }}
{%- endfor -%}
{%- endmacro %}

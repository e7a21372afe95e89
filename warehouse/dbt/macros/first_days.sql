{# What is counted once a period however often it comes, counted on the first of its days in each: counts
   of periods are then sums over days, so that rows are read once, whatever the periods. `before` is
   the day before on which the same came, null on its first; `weight` is what a row counts. #}
{% macro counts_on_first_days(day, before, weight) -%}
sum({{ weight }}) as day_count,
{%- for period in ['week', 'month', 'quarter'] %}
        sum(
            case
                when {{ before }} is null or {{ before }} < {{ period_start(period, day) }}
                    then {{ weight }}
                else 0
            end
        ) as {{ period }}_count,
{%- endfor %}
        sum(case when {{ before }} is null then {{ weight }} else 0 end) as all_count
{%- endmacro %}

{# Which of these counts is that of a row's period. #}
{% macro count_of_period() -%}
case periods.period
    {%- for period in ['day', 'week', 'month', 'quarter', 'all'] %}
                when '{{ period }}' then {{ period }}_count
    {%- endfor %}
            end
{%- endmacro %}

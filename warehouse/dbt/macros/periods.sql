{# Each day five times, or of some lengths only: as itself, as its week, month, quarter, and all time,
   each by its first day.
   Weeks begin on the day of `week_start` (1 Monday to 7 Sunday), quarters with the fiscal year's
   first month. All time starts at -infinity until the marts, because nulls don't join. #}
{% macro periods(day, lengths=['day', 'week', 'month', 'quarter', 'all']) -%}
cross join lateral (
    values
    {%- for length in lengths %}
        (
            '{{ length }}',
            {%- if length == 'all' %} '-infinity'::date
            {%- elif length == 'day' %} {{ day }}
            {%- else %} {{ period_start(length, day) }}
            {%- endif %}
        ){{ ',' if not loop.last }}
    {%- endfor %}
) as periods (period, period_start)
{%- endmacro %}

{# The first day of the week, month or fiscal quarter that holds a day. #}
{% macro period_start(period, day) -%}
{%- set months = (var('fiscal_year_start') | int - 1) % 3 -%}
{%- if period == 'week' -%}
({{ day }} - ((extract(isodow from {{ day }})::integer - {{ var('week_start') | int }} + 7) % 7))
{%- elif period == 'quarter' and months -%}
(
    date_trunc('quarter', date_trunc('month', {{ day }}::timestamp) - interval '{{ months }} months')
    + interval '{{ months }} months'
)::date
{%- else -%}
date_trunc('{{ period }}', {{ day }}::timestamp)::date
{%- endif -%}
{%- endmacro %}

{# The last day of a period by its length and its first day; all time has none. #}
{% macro period_end(period, first_day) -%}
case {{ period }}
    when 'day' then {{ first_day }}
    when 'week' then {{ first_day }} + 6
    when 'month' then ({{ first_day }} + interval '1 month')::date - 1
    when 'quarter' then ({{ first_day }} + interval '3 months')::date - 1
end
{%- endmacro %}

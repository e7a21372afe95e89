{# Fails with each combination of columns that more than one row has; nulls are equal. Of a mart of a
   `dimension` that was brought up to date, only what was made anew is looked at. #}
{% test unique_combination(model, columns, dimension=none) %}
select {{ columns | join(', ') }}, count(*) as row_count
from {{ model }}
{%- if dimension and not flags.FULL_REFRESH %}
where {{ made_anew(dimension) }}
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

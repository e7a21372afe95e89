{# Fails with each combination of columns that more than one row has; nulls are equal. Of a table that is
   brought up to date, only what was made anew is looked at: see `made_anew` for what it is `of`. #}
{% test unique_combination(model, columns, of=none) %}
select {{ columns | join(', ') }}, count(*) as row_count
from {{ model }}
{%- if of and not flags.FULL_REFRESH %}
where {{ made_anew(of) }}
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

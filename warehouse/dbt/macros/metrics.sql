{# The metrics of one department, in the columns of its mart. #}
{% macro metrics_of(department) -%}
select
    metric,
    breakdown,
    period,
    period_start,
    currency,
    value,
    value_low,
    value_high,
    numerator,
    denominator,
    target,
    meets_target
from {{ ref('int_metric_values') }}
where department = '{{ department }}'
{%- endmacro %}

{# Fails where an interval is upside down, or known in part only. #}
{% test low_mean_high(model, figure) %}
select {{ figure }}_low, {{ figure }}_mean, {{ figure }}_high
from {{ model }}
where
    {{ figure }}_low > {{ figure }}_high
    or num_nulls({{ figure }}_low, {{ figure }}_mean, {{ figure }}_high) not in (0, 3)
{% endtest %}

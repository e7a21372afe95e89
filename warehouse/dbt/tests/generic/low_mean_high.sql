{# Fails where an interval is upside down, or known in part only. #}
{% test low_mean_high(model, figure) %}
select {{ figure }}_low, {{ figure }}_mean, {{ figure }}_high
from {{ model }}
where
    {{ figure }}_low > {{ figure }}_high
    or ({{ figure }}_low is null) <> ({{ figure }}_mean is null)
    or ({{ figure }}_high is null) <> ({{ figure }}_mean is null)
{% endtest %}

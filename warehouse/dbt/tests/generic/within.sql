{# Fails where a value is not between its low and high ends, or has one of them alone. #}
{% test within(model) %}
select value_low, value, value_high
from {{ model }}
where
    value_low > value
    or value > value_high
    or (value_low is null) <> (value_high is null)
{% endtest %}

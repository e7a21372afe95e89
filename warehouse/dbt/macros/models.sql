{# The models that every run publishes, in the order in which people read them. #}
{% macro credit_models() -%}
{{ return([
    'bayesian', 'first_touch', 'last_touch', 'linear', 'time_decay', 'position_based', 'w_shaped',
    'shapley', 'markov_1',
]) }}
{%- endmacro %}

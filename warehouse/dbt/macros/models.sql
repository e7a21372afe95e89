{# The models that give credit, in the order in which people read them. #}
{% macro credit_models() -%}
{{ return(['bayesian', 'first_touch', 'last_touch', 'linear', 'time_decay', 'position_based']) }}
{%- endmacro %}

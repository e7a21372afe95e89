{# A number in place of a text, for grouping millions of rows: of two texts among a million that have
   the same there is one chance in thirty million. Null of null. #}
{% macro hashed(expression) -%}
{{ return(adapter.dispatch('hashed')(expression)) }}
{%- endmacro %}

{% macro default__hashed(expression) -%}
hashtextextended({{ expression }}, 0)
{%- endmacro %}

{% macro duckdb__hashed(expression) -%}
case when {{ expression }} is not null then hash({{ expression }}) end
{%- endmacro %}

{# A number in place of such a number and a small one. #}
{% macro paired(number, small) -%}
{{ return(adapter.dispatch('paired')(number, small)) }}
{%- endmacro %}

{% macro default__paired(number, small) -%}
hashint8extended(({{ small }})::bigint, {{ number }})
{%- endmacro %}

{% macro duckdb__paired(number, small) -%}
hash({{ number }}, {{ small }})
{%- endmacro %}

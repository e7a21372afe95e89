{# Amounts in the reporting currency, by the rate of their day. An amount whose currency has no rate
   then, and every amount where no reporting currency is set, stays in its own: nothing is lost, and
   nothing is added up that doesn't add up. Join the rates, then say what is wanted of a row. #}
{% macro rate_join(row, day) -%}
left join {{ ref('int_exchange_rates') }} as rates
    on rates.currency = {{ row }}.currency
    and {{ row }}.{{ day }} >= rates.valid_from
    and {{ row }}.{{ day }} < rates.valid_until
{%- endmacro %}

{% macro reporting_amount(amount) -%}
{{ amount }} * coalesce(rates.rate, 1)
{%- endmacro %}

{% macro reporting_currency(currency) -%}
coalesce(rates.to_currency, {{ currency }})
{%- endmacro %}

{# Exact to a millionth, as the contract's amounts are: sums of them come back to 0. #}
{% macro amount(expression) -%}
({{ expression }})::numeric(38, 6)
{%- endmacro %}

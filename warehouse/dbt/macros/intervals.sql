{# One end of Wilson's 90 % interval of a success rate: it stays within 0 and 1, for few subjects
   too. #}
{% macro wilson(rate, subjects, sign) -%}
{%- set z = 1.6448536269514722 -%}
(
    {{ rate }} + {{ z * z / 2 }} / {{ subjects }}
    {{ sign }} {{ z }} * sqrt(
        {{ rate }} * (1 - {{ rate }}) / {{ subjects }}
        + {{ z * z / 4 }} / ({{ subjects }} * {{ subjects }})
    )
) / (1 + {{ z * z }} / {{ subjects }})
{%- endmacro %}

{# A share to a billionth: the last bits of roots and quotients differ from machine to machine. #}
{% macro share(expression) -%}
({{ expression }})::numeric(38, 9)::double precision
{%- endmacro %}

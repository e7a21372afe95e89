{# One metric's facts out of the rows that follow, in the columns that all facts have: what is
   added up (numerator, denominator), what a median is taken of (observation), what is counted once
   however often it comes (a person, or a subject of another kind), and what such things are counted
   for each of (per). A person stands in a column of its own, so that forgetting finds it. #}
{% macro fact(
    metric, day, breakdown="''", currency="''", numerator='null', denominator='null',
    observation='null', person='null', subject='null', per='null'
) -%}
select
    '{{ metric }}' as metric,
    {{ breakdown }} as breakdown,
    {{ day }} as occurred_on,
    {{ currency }} as currency,
    {{ amount(numerator) }} as numerator,
    {{ amount(denominator) }} as denominator,
    ({{ observation }})::double precision as observation,
    ({{ person }})::uuid as person_id,
    ({{ subject }})::text as subject,
    ({{ per }})::text as per
{%- endmacro %}

{# Each row twice: for the whole, and for the part that it belongs to. #}
{% macro whole_and(part) -%}
cross join lateral (
    values
        (''),
        ({{ part }})
) as parts (part)
{%- endmacro %}

{# Days between two moments, with their fraction. #}
{% macro days_between(earlier, later) -%}
extract(epoch from ({{ later }} - {{ earlier }}))::double precision / 86400
{%- endmacro %}

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

{# Facts of some models that figures are told of. Half of what a metric needs would make a wrong figure,
   not half a figure. #}
{% macro available_facts(sources) -%}
all_facts as (
    {%- for source in sources %}
    select * from {{ ref(source) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

metrics as (
    select * from {{ ref('int_metrics') }}
),

data_days as (
    select * from {{ ref('int_data_days') }}
),

available_facts as (
    select
        all_facts.*,
        metrics.aggregation
    from all_facts
    inner join metrics on metrics.metric = all_facts.metric and metrics.is_available
    inner join data_days on data_days.last_on >= all_facts.occurred_on
)
{%- endmacro %}

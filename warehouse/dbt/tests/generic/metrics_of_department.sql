{# Fails with each metric that a mart has and its department's dictionary not, or the reverse. #}
{% test metrics_of_department(model, department) %}
with named as (
    select metric from {{ ref('metrics') }} where department = '{{ department }}'
),

held as (
    select distinct metric from {{ model }}
)

select
    named.metric as named,
    held.metric as held
from named
full outer join held on held.metric = named.metric
where named.metric is null or held.metric is null
{% endtest %}

{# Each day five times: as itself, as its ISO week (by its Monday), month, quarter, and all time.
   All time starts at -infinity until the marts, because nulls don't join. #}
{% macro periods(day) -%}
cross join lateral (
    values
        ('day', {{ day }}),
        ('week', date_trunc('week', {{ day }}::timestamp)::date),
        ('month', date_trunc('month', {{ day }}::timestamp)::date),
        ('quarter', date_trunc('quarter', {{ day }}::timestamp)::date),
        ('all', '-infinity'::date)
) as periods (period, period_start)
{%- endmacro %}

{# Each row twice: for its campaign, and for its channel with campaign_id ''. #}
{% macro dimensions(campaign_id) -%}
cross join lateral (
    values
        ('campaign', {{ campaign_id }}),
        ('channel', '')
) as dimensions (dimension, dimension_campaign_id)
{%- endmacro %}

{# Tables that are brought up to date: what `bizops transform` found to have changed is taken out
   before, and only that is made anew. Both are ours rather than dbt's strategies, because rows may
   also vanish: a touch that moved to another account leaves its old one. #}
{% macro forget_changed_figures(dimension) -%}
{% if is_incremental() -%}
delete from {{ this }}
where {{ made_anew(dimension) }}
{%- endif %}
{%- endmacro %}

{# What comes to nothing once what is gone has been taken away. #}
{% macro forget_untouched() -%}
delete from {{ this }}
where touches = 0
{%- endmacro %}

{# The condition that a mart's row is one of those that are told anew. #}
{% macro made_anew(dimension) -%}
(period, coalesce(period_start, '-infinity'::date), channel
    {%- if dimension == 'campaign' %}, campaign_id{% endif %}) in ({{ changed_figures(dimension) }})
{%- endmacro %}

{% macro forget_changed_credit() -%}
{% if is_incremental() -%}
delete from {{ this }}
where (dimension, period, period_start, channel, campaign_id) in (
    select dimension, period, period_start, channel, campaign_id
    from {{ source('warehouse', 'changed_figures') }}
    where of_credit
)
{%- endif %}
{%- endmacro %}

{% macro forget_changed_conversions() -%}
{% if is_incremental() -%}
delete from {{ this }}
where (account_id, conversion_id) in (
    select account_id, conversion_id from {{ source('warehouse', 'changed_conversions') }}
)
{%- endif %}
{%- endmacro %}

{# Rows of which figures are told anew, of a dimension. #}
{% macro changed_figures(dimension) -%}
select period, period_start, channel{{ ', campaign_id' if dimension == 'campaign' }}
from {{ source('warehouse', 'changed_figures') }}
where dimension = '{{ dimension }}'
{%- endmacro %}

{% macro forget_changed_touches() -%}
{% if is_incremental() -%}
delete from {{ this }}
where event_id in (select event_id from {{ source('warehouse', 'changed_touches') }})
{%- endif %}
{%- endmacro %}

{# The condition that a campaign's or channel's period is one that is told anew; all of them are in a
   table made anew. #}
{% macro in_changed_figures(rows, dimension) -%}
{% if is_incremental() -%}
({{ rows }}.period, {{ rows }}.period_start, {{ rows }}.channel
    {%- if dimension == 'campaign' %}, {{ rows }}.campaign_id{% endif %}) in (
    {{ changed_figures(dimension) }}
)
{%- else -%}
true
{%- endif %}
{%- endmacro %}

{# What the next model has to know of a table before it is read. #}
{% macro analyzed() -%}
{% if model.config.materialized in ('table', 'incremental') %}analyze {{ this }}{% endif %}
{%- endmacro %}

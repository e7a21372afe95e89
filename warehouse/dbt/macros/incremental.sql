{# Tables that are brought up to date: what `bizops transform` found to have changed is taken out
   before, and only that is made anew. Both are ours rather than dbt's strategies, because rows may
   also vanish: a touch that moved to another account leaves its old one. #}
{% macro forget_changed_periods() -%}
{% if is_incremental() -%}
delete from {{ this }}
where (period, period_start) in (
    select period, period_start from {{ source('warehouse', 'changed_periods') }}
)
    or period = 'all' and period_start is null
    and exists (
        select 1 from {{ source('warehouse', 'changed_periods') }} where period = 'all'
    )
{%- endif %}
{%- endmacro %}

{% macro forget_changed_touches() -%}
{% if is_incremental() -%}
delete from {{ this }}
where event_id in (select event_id from {{ source('warehouse', 'changed_touches') }})
{%- endif %}
{%- endmacro %}

{# The condition that a row's period is one that is made anew; all of them are in a table made anew. #}
{% macro in_changed_periods(periods='periods') -%}
{% if is_incremental() -%}
({{ periods }}.period, {{ periods }}.period_start) in (
    select period, period_start from {{ source('warehouse', 'changed_periods') }}
)
{%- else -%}
true
{%- endif %}
{%- endmacro %}

{# What the next model has to know of a table before it is read. #}
{% macro analyzed() -%}
{% if model.config.materialized in ('table', 'incremental') %}analyze {{ this }}{% endif %}
{%- endmacro %}

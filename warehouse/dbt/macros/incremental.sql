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

{# The condition that a row is one of those that are told anew: of a mart by campaign or channel, or of
   sums by both, of credit or of anything. #}
{% macro made_anew(of) -%}
{%- if of in ('credit', 'anything') -%}
(dimension, period, period_start, channel, campaign_id) in (
    select dimension, period, period_start, channel, campaign_id
    from {{ source('warehouse', 'changed_figures') }}
    {%- if of == 'credit' %}
    where of_credit
    {%- endif %}
)
{%- else -%}
{%- set names = 'channel, campaign_id' if of == 'campaign' else 'channel' -%}
(period, coalesce(period_start, '-infinity'::date), {{ names }}) in (
    select period, period_start, {{ names }}
    from {{ source('warehouse', 'changed_figures') }}
    where dimension = '{{ of }}'
)
{%- endif -%}
{%- endmacro %}

{# The same of what a mart is made of, by which index it is found; all is in a table made anew. #}
{% macro in_changed_figures(rows, dimension) -%}
{% if is_incremental() -%}
({{ rows }}.period, {{ rows }}.period_start, {{ rows }}.channel, {{ rows }}.campaign_id) in (
    select period, period_start, channel, campaign_id
    from {{ source('warehouse', 'changed_figures') }}
    where dimension = '{{ dimension }}'
)
{%- else -%}
true
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

{# Credit of touches that are another lead's now is that lead's. #}
{% macro move_credit() -%}
{% if is_incremental() -%}
update {{ this }} as credit
set lead_id = touches.lead_id
from {{ ref('int_touches') }} as touches
where touches.event_id = credit.touch_id
    and touches.event_id in (
        select event_id from {{ source('warehouse', 'changed_touches') }}
        where occurred_on is not null
    )
{%- endif %}
{%- endmacro %}

{% macro forget_changed_touches() -%}
{% if is_incremental() -%}
delete from {{ this }}
where event_id in (select event_id from {{ source('warehouse', 'changed_touches') }})
{%- endif %}
{%- endmacro %}

{% macro forget_changed_leads() -%}
{% if is_incremental() -%}
delete from {{ this }}
where lead_id in ({{ changed_leads() }})
{%- endif %}
{%- endmacro %}

{# Leads of whom touches have come, or were. #}
{% macro changed_leads() -%}
select lead_id from {{ source('warehouse', 'changed_touches') }}
where lead_id is not null
union
select lead_id from {{ ref('int_touches') }}
where lead_id is not null
    and event_id in (select event_id from {{ source('warehouse', 'changed_touches') }})
{%- endmacro %}

{# What the next model has to know of a table before it is read. #}
{% macro analyzed() -%}
{% if model.config.materialized in ('table', 'incremental') %}analyze {{ this }}{% endif %}
{%- endmacro %}

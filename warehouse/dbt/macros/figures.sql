{# The figures of performance marts, of rows with what was counted and credited: `keys` and model,
   period, period_start, currency, has_credit, has_lead_credit, is_baseline, is_bounded, and what
   there is (null: nothing) of spend, touches, leads, attributed_leads, conversions, iacv, kept,
   earned, the median and the IACV within it, the ends of intervals, and unexplained_iacv.
   What is known to be nothing is 0 there; what cannot be known stays null. #}
{% macro figures(rows, keys) -%}
known as (
    select
        {{ rows }}.*,
        case when not is_baseline then coalesce(touches, 0) end as known_touches,
        case when not is_baseline then coalesce(leads, 0) end as known_leads,
        case
            when has_lead_credit and not is_baseline then coalesce(attributed_leads, 0)
            else attributed_leads
        end as known_leads_attributed
    from {{ rows }}
    -- one model's baseline in a period is not another's
    where
        not is_baseline
        or attributed_leads is not null
        or conversions is not null
        or unexplained_iacv is not null
),

-- a rule has no doubt of credit, and as much of retention as there is
valued as (
    select
        transform.run_id,
        known.model,
        known.period,
        known.period_start,
        {%- for key in keys %}
        known.{{ key }},
        {%- endfor %}
        known.currency,
        known.has_credit,
        known.is_baseline,
        known.is_bounded,
        known.spend,
        known.known_touches as touches,
        known.known_leads as leads,
        known.known_leads_attributed as attributed_leads,
        known.conversions,
        coalesce(known.conversions_low, known.conversions) as conversions_low,
        coalesce(known.conversions_high, known.conversions) as conversions_high,
        known.iacv,
        coalesce(known.iacv_low, known.iacv) as iacv_low,
        coalesce(known.iacv_high, known.iacv) as iacv_high,
        known.unexplained_iacv,
        known.median_conversion_days,
        known.iacv_at_median_conversion_time,
        {{ kept_for('retention_years') }} as value,
        {%- for end in ['low', 'high'] %}
        case
            when known.model = 'bayesian' and not known.is_baseline then known.value_{{ end }}
            when known.model <> 'bayesian' then {{ kept_for('retention_' ~ end) }}
        end as value_{{ end }},
        case
            when known.model = 'bayesian' and not known.is_baseline then known.ltv_{{ end }}
            when known.model <> 'bayesian'
                then {{ kept_for('retention_' ~ end) }} / nullif(known.conversions, 0)
        end as ltv_{{ end }}{{ ',' if not loop.last }}
        {%- endfor %}
    from known
    cross join {{ ref('stg_transform') }} as transform
),

figures as (
    select
        run_id,
        model,
        period,
        nullif(period_start, '-infinity'::date) as period_start,
        {%- for key in keys %}
        {{ key }},
        {%- endfor %}
        currency,
        spend,
        touches,
        leads,
        attributed_leads,
        spend / nullif(attributed_leads, 0) as cost_per_lead,
        case when has_credit then coalesce(conversions, 0) end as attributed_conversions_mean,
        case when has_credit then coalesce(conversions_low, 0) end as attributed_conversions_low,
        case when has_credit then coalesce(conversions_high, 0) end as attributed_conversions_high,
        {%- for end in ['', '_low', '_high'] %}
        case when has_credit then coalesce(iacv{{ end }}, 0) + coalesce(unexplained_iacv, 0) end
            as attributed_iacv{{ end or '_mean' }},
        {%- endfor %}
        case when not is_baseline then conversions / nullif(attributed_leads, 0) end
            as conversion_rate,
        median_conversion_days,
        iacv_at_median_conversion_time,
        2 * iacv_at_median_conversion_time as estimated_iacv,
        {#- CAC falls as conversions rise, so that it has the ends of theirs, and none where they may
            be nothing; LTV and ROI have doubt of credit and of retention. #}
        spend / nullif(conversions, 0) as cac,
        spend / nullif(conversions_high, 0) as cac_low,
        spend / nullif(conversions_low, 0) as cac_high,
        value / nullif(conversions, 0) as ltv,
        ltv_low,
        ltv_high,
        value / nullif(spend, 0) as roi,
        value_low / nullif(spend, 0) as roi_low,
        value_high / nullif(spend, 0) as roi_high,
        case when is_bounded then 'upper' end as bound
    from valued
)
{%- endmacro %}

{# What is left of a row's credited IACV over the years that customers are kept; null where a margin
   is not known, or years would have to be estimated and can't be; nothing for the baseline. #}
{% macro kept_for(years) -%}
case
    when not known.is_baseline then
        known.kept + case when known.earned = 0 then 0 else known.earned * transform.{{ years }} end
end
{%- endmacro %}

{# The models that the marts tell of: those that every run publishes, and those of this one. #}
{% macro models_cte(credit, lead_credit) -%}
models as (
    select
        model,
        model in (select model from {{ credit }}) as has_credit,
        model in (select model from {{ lead_credit }}) as has_lead_credit
    from (
        values
        {%- for model in credit_models() %}
            ('{{ model }}'){{ ',' if not loop.last }}
        {%- endfor %}
        union
        select model from {{ credit }}
    ) as names (model)
)
{%- endmacro %}

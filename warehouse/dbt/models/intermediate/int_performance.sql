-- one row per dimension, model, period, channel, campaign (or baseline) and currency
with touch_counts as (
    select * from {{ ref('int_touch_counts') }}
),

spend as (
    select * from {{ ref('int_spend') }}
),

attributed_leads as (
    select * from {{ ref('int_attributed_leads') }}
),

credit as (
    select * from {{ ref('stg_credit_summary') }}
),

unexplained as (
    select
        dimensions.dimension,
        unexplained.period,
        unexplained.period_start,
        '(baseline)' as channel,
        dimensions.dimension_campaign_id as campaign_id,
        unexplained.currency,
        unexplained.iacv::double precision as iacv
    from {{ ref('int_unexplained_iacv') }} as unexplained
    {{ dimensions("'(baseline)'") }}
),

models as (
    select
        model,
        (select max(run_id) from credit) as run_id,
        model in (select model from credit) as has_credit,
        model in (select model from attributed_leads) as has_lead_credit
    from (
        values
        {%- for model in credit_models() %}
            ('{{ model }}'){{ ',' if not loop.last }}
        {%- endfor %}
        union
        select model from credit
    ) as names (model)
),

-- without any revenue or spend the currency is ISO 4217's "no currency"
currencies as (
    select currency from unexplained
    union
    select currency from spend
    union
    select currency from credit
    union
    select 'XXX' as currency
    where not exists (select from unexplained) and not exists (select from spend)
),

keys as (
    select dimension, period, period_start, channel, campaign_id from touch_counts
    union
    select dimension, period, period_start, channel, campaign_id from spend
    union
    select dimension, period, period_start, channel, campaign_id from attributed_leads
    union
    select dimension, period, period_start, channel, campaign_id from credit
    union
    select dimension, period, period_start, channel, campaign_id from unexplained
    where exists (select from credit)
),

joined as (
    select
        models.run_id,
        models.model,
        models.has_credit,
        models.has_lead_credit,
        keys.*,
        keys.channel = '(baseline)' as is_baseline,
        currencies.currency,
        touch_counts.touches,
        touch_counts.leads,
        spend.spend,
        attributed_leads.attributed_leads,
        credit.conversions_mean,
        credit.conversions_low,
        credit.conversions_high,
        credit.iacv_mean,
        credit.iacv_low,
        credit.iacv_high,
        unexplained.iacv as unexplained_iacv
    from keys
    cross join models
    cross join currencies
    left join touch_counts using (dimension, period, period_start, channel, campaign_id)
    left join spend using (dimension, period, period_start, channel, campaign_id, currency)
    left join attributed_leads
        using (model, dimension, period, period_start, channel, campaign_id)
    left join credit
        using (model, dimension, period, period_start, channel, campaign_id, currency)
    left join unexplained using (dimension, period, period_start, channel, campaign_id, currency)
),

-- what is known to be nothing is 0; what cannot be known stays null
known as (
    select
        *,
        case when not is_baseline then coalesce(touches, 0) end as known_touches,
        case when not is_baseline then coalesce(leads, 0) end as known_leads,
        case
            when has_lead_credit and not is_baseline then coalesce(attributed_leads, 0)
            else attributed_leads
        end as known_leads_attributed
    from joined
    -- one model's baseline in a period is not another's
    where
        not is_baseline
        or num_nonnulls(attributed_leads, conversions_mean, unexplained_iacv) > 0
),

final as (
    select
        dimension,
        run_id,
        model,
        period,
        nullif(period_start, '-infinity'::date) as period_start,
        channel,
        campaign_id,
        currency,
        spend,
        known_touches as touches,
        known_leads as leads,
        known_leads_attributed as attributed_leads,
        spend::double precision / nullif(known_leads_attributed, 0) as cost_per_lead,
        {%- for end in ['mean', 'low', 'high'] %}
        case when has_credit then coalesce(conversions_{{ end }}, 0) end
            as attributed_conversions_{{ end }},
        {%- endfor %}
        {%- for end in ['mean', 'low', 'high'] %}
        case when has_credit then coalesce(iacv_{{ end }}, 0) + coalesce(unexplained_iacv, 0) end
            as attributed_iacv_{{ end }}{{ ',' if not loop.last }}
        {%- endfor %}
    from known
)

select * from final

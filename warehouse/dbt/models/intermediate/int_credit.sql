-- one row per model, conversion and credited touch (or baseline): what of the conversion is its
-- Groups of millions of rows are told apart by numbers.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook='{{ forget_changed_conversions() }}',
    post_hook='{{ move_credit() }}',
    indexes=[
        {'columns': ['account_id', 'conversion_id']},
        {'columns': ['touch_id']},
        {'columns': ['lead_id']},
    ]
) }}

with credit as (
    select * from {{ ref('stg_credit') }}
),

conversions as (
    select * from {{ ref('stg_conversions') }}
    {%- if is_incremental() %}
    where conversion_id in (
        select conversion_id from {{ source('warehouse', 'changed_conversions') }}
    )
    {%- endif %}
),

touches as (
    select event_id, lead_id, collateral_id from {{ ref('int_touches') }}
),

final as (
    select
        credit.model,
        conversions.occurred_on,
        conversions.account_id,
        conversions.conversion_id,
        credit.touch_id,
        credit.channel,
        credit.campaign_id,
        -- of one that was erased nothing is known
        touches.lead_id,
        touches.collateral_id,
        conversions.currency,
        {{ hashed(joined([
            'credit.model', 'credit.channel', 'credit.campaign_id', 'conversions.currency',
        ])) }} as campaign_number,
        {{ hashed(joined(['credit.model', 'credit.channel', "''", 'conversions.currency'])) }}
            as channel_number,
        -- a conversion of which only the day is known is that many whole days after the touch
        greatest(
            0,
            case
                when conversions.day_only
                    then conversions.occurred_on - (credit.touched_at at time zone 'UTC')::date
                else
                    extract(epoch from conversions.occurred_at - credit.touched_at) / 86400
            end
        )::double precision as age_days,
        credit.share,
        credit.share * conversions.iacv::double precision as iacv,
        credit.share * conversions.kept as kept,
        credit.share * conversions.earned as earned
    from credit
    inner join conversions using (conversion_id)
    left join touches on touches.event_id = credit.touch_id
    where credit.share > 0
)

select * from final

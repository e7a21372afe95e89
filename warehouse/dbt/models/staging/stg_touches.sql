-- one row per touch, with the lead and the account it belongs to by all that is known now
with touches as (
    -- those that its role may read
    select
        event_id, occurred_at, day_only, channel, campaign_id, account_id, person_id, lead_id,
        touch_type, collateral_id
    from {{ source('stream', 'resolved_touches') }}
),

leads as (
    select * from {{ ref('stg_leads') }}
),

final as (
    select
        touches.event_id,
        touches.occurred_at,
        (touches.occurred_at at time zone 'UTC')::date as occurred_on,
        touches.day_only,
        touches.channel,
        touches.campaign_id,
        touches.account_id,
        touches.person_id,
        coalesce(touches.lead_id, leads.lead_id) as lead_id,
        touches.touch_type,
        touches.collateral_id
    from touches
    left join leads using (person_id)
)

select * from final

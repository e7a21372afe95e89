-- one row per day, campaign and lead (null: nobody known as a lead yet)
with touches as (
    select * from {{ ref('stg_touches') }}
),

final as (
    select
        occurred_on,
        channel,
        campaign_id,
        lead_id,
        count(*) as touches
    from touches
    group by occurred_on, channel, campaign_id, lead_id
)

select * from final

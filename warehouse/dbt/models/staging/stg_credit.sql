-- one row per model, conversion and credited touch, or baseline (touch_id null)
select
    credit.model,
    credit.conversion_id,
    credit.touch_id,
    credit.channel,
    credit.campaign_id,
    credit.touched_at,
    credit.share
from {{ source('attribution', 'credit') }} as credit
inner join {{ ref('stg_transform') }} as transform using (run_id)

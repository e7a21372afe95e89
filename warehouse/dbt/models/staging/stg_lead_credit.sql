-- one row per model, lead and campaign (or baseline) of the run
select
    lead_credit.model,
    lead_credit.lead_id,
    (lead_credit.became_lead_at at time zone 'UTC')::date as became_lead_on,
    lead_credit.channel,
    lead_credit.campaign_id,
    lead_credit.share
from {{ source('attribution', 'lead_credit') }} as lead_credit
inner join {{ ref('stg_transform') }} as transform using (run_id)

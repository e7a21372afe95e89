-- one row per campaign: the newest name it was given
select distinct on (campaign_id)
    campaign_id,
    name as campaign_name
from {{ source('stream', 'campaigns') }}
where name is not null
order by campaign_id, occurred_at desc, event_id desc

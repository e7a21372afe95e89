-- one row per spend event: what a campaign cost on a day
select
    event_id,
    date as spent_on,
    channel,
    campaign_id,
    amount,
    currency
from {{ source('warehouse', 'spend') }}

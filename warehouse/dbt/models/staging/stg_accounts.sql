-- one row per account: the newest name it was given
select distinct on (account_id)
    account_id,
    name as account_name
from {{ source('stream', 'accounts') }}
where name is not null
order by account_id, occurred_at desc, event_id desc

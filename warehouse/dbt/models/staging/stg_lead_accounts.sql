-- one row per lead whose person is known to belong to an account
with leads as (
    select * from {{ source('stream', 'known_leads') }}
),

accounts as (
    -- those that its role may read
    select identifier_id, account_id from {{ source('stream', 'identifier_accounts') }}
)

select
    leads.lead_id,
    accounts.account_id
from leads
inner join accounts using (identifier_id)
where accounts.account_id is not null

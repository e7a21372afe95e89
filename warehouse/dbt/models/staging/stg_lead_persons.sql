-- one row per id of a lead, with its person and account by all that is known now
select
    own_lead_id as lead_id,
    person_id,
    account_id
from {{ ref('stg_identifiers') }}
where own_lead_id is not null

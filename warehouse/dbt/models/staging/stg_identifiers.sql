-- one row per identifier of a person, with whose it is by all that is known now
select
    identifier_id,
    account_id,
    person_id,
    lead_id,
    own_lead_id
from {{ source('warehouse', 'identifiers') }}

-- one row per id of a lead, with its person by all that is known now
select
    lead_id,
    person_id
from {{ source('stream', 'known_leads') }}

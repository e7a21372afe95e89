-- one row per change of a lead's status, with its person and account by all that is known now
with statuses as (
    select * from {{ source('stream', 'stored_lead_statuses') }}
),

identifiers as (
    select * from {{ ref('stg_identifiers') }}
)

select
    statuses.event_id,
    statuses.lead_id,
    identifiers.person_id,
    coalesce(statuses.account_id, identifiers.account_id) as account_id,
    (statuses.occurred_at at time zone 'UTC')::date as occurred_on,
    statuses.status
from statuses
left join identifiers using (identifier_id)

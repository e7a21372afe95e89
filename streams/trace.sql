-- name: trace
-- Where an event is, by its event_id: its row, and the dead letters that bear the same id.
with found as (
    select 'touch' as type, occurred_at, received_at, stored_in
    from stream.touches where event_id = %(event_id)s
    union all
    select 'revenue', occurred_at, received_at, stored_in
    from stream.revenue where event_id = %(event_id)s
    union all
    select 'spend', date::timestamp at time zone 'UTC', received_at, stored_in
    from stream.spend where event_id = %(event_id)s
    union all
    select 'identity', occurred_at, received_at, stored_in
    from stream.identities where event_id = %(event_id)s
    union all
    select 'account', occurred_at, received_at, stored_in
    from stream.accounts where event_id = %(event_id)s
    union all
    select 'campaign', occurred_at, received_at, stored_in
    from stream.campaigns where event_id = %(event_id)s
    union all
    select 'lift_test', starts_on::timestamp at time zone 'UTC', received_at, stored_in
    from stream.lift_tests where event_id = %(event_id)s
    union all
    select 'opportunity', occurred_at, received_at, stored_in
    from stream.opportunities where event_id = %(event_id)s
)
select 'stored' as state, type, occurred_at, received_at,
       -- PostgreSQL keeps the times of commits only where it is told to
       case when current_setting('track_commit_timestamp')::boolean
            then pg_xact_commit_timestamp((stored_in %% 4294967296)::text::xid) end as stored_at,
       null as topic, null::integer as partition, null::bigint as kafka_offset,
       null as reason, null as detail
from found
union all
select 'dead letter', null, null, received_at, null, topic, partition, kafka_offset, reason, detail
from stream.dead_letters where event_id = %(event_id)s
order by received_at, state

-- name: trace
-- Where an event is, by its event_id: its row, and the dead letters that bear the same id.
with found as (
    {found}
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

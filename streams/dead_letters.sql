-- name: save
-- Keep what cannot become a row, or only that there was something; read again, it is the same
-- dead letter.
insert into stream.dead_letters
    (topic, partition, kafka_offset, received_at, reason, detail, event_id, message_key, payload,
     dropped_at)
values %s
on conflict do nothing

-- name: count_by_reason
-- How many records failed for each reason.
select reason, count(*) from stream.dead_letters
where dropped_at is null
group by reason
order by count(*) desc, reason

-- name: select
-- The records that failed last, of those asked for; the payload only of those not dropped.
select topic, partition, kafka_offset, received_at, reason, detail, event_id, message_key, payload
from stream.dead_letters
where dropped_at is null
  and (%(topic)s::text is null or topic = any(array[%(topic)s, %(prefix)s || %(topic)s]))
  and (%(partition)s::integer is null or partition = %(partition)s)
  and (%(offset)s::bigint is null or kafka_offset = %(offset)s)
  and (%(reason)s::text is null or reason = %(reason)s)
  and (%(since)s::timestamptz is null or received_at >= %(since)s)
order by received_at desc, topic, partition, kafka_offset desc
limit %(limit)s

-- name: lock
-- Those of some places that are still dead letters, held until commit.
select topic, partition, kafka_offset, received_at from stream.dead_letters
where (topic, partition, kafka_offset, received_at) in (values %s) and dropped_at is null
order by topic, partition, kafka_offset, received_at
for update

-- name: settle
-- Those that are rows now are dead letters no more.
delete from stream.dead_letters
where (topic, partition, kafka_offset, received_at) in (values %s)

-- name: update
-- Those that still cannot become rows, with why, as it is now.
update stream.dead_letters as letter
set reason = again.reason, detail = again.detail, event_id = again.event_id,
    message_key = case when again.kept then message_key end,
    payload = case when again.kept then payload end,
    dropped_at = case when not again.kept then now() end
from (values %s) as again
    (topic, partition, kafka_offset, received_at, reason, detail, event_id, kept)
where (letter.topic, letter.partition, letter.kafka_offset, letter.received_at)
    = (again.topic, again.partition, again.kafka_offset, again.received_at)

-- name: drop
-- Keep of a dead letter only that there was one, and why.
update stream.dead_letters
set dropped_at = now(), payload = null, message_key = null
where (topic, partition, kafka_offset, received_at) in (values %s) and dropped_at is null

-- name: erase
-- Keep of a dead letter only that there was one.
update stream.dead_letters
set dropped_at = coalesce(dropped_at, now()), payload = null, message_key = null, event_id = null,
    detail = %s
where (topic, partition, kafka_offset, received_at) = any(
    select * from unnest(%s::text[], %s::integer[], %s::bigint[], %s::timestamptz[]))

-- name: all
-- Every dead letter, dropped ones too, for those that look inside.
select topic, partition, kafka_offset, received_at, detail, event_id, message_key, payload
from stream.dead_letters

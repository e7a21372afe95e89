"""What has to hold after all: nothing lost, nothing twice, and the state that the log says."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import psycopg2
from kafka import KafkaConsumer, TopicPartition

from bizops.settings import Settings
from bizops.topics import TOPICS
from streams.records import Record
from streams.store import Store
from tests.faults.made import World

__all__ = ["check_dead_letters", "check_stored", "differences", "read_log", "store_from_scratch"]

BATCH = 5_000
NOT_COMPARED = ("stored_in", "changed_in", "updated_at", "recent_records", "recent_dead")
"""Which transaction stored a row, and when; and averages that are taken by batches."""
COMPARED = (
    *TOPICS, "dead_letters", "progress", "identifiers", "identity_edges", "account_links",
    "identifier_touches", "account_touches", "resolved_touches",
)  # fmt: skip


def check_stored(database_url: str, world: World, attempted: Any, acknowledged: Any) -> int:
    """Acknowledged is a subset of stored, stored of what was published; nothing stands twice.

    Returns
    -------
    How many events stand.
    """
    stored = np.zeros(len(attempted), np.int32)
    with closing(psycopg2.connect(database_url)) as connection:
        for table in TOPICS:
            with connection.cursor(f"all_{table}") as cursor:
                cursor.itersize = 50_000
                cursor.execute(f"select event_id from stream.{table}")
                for (event_id,) in cursor:
                    stored[int(event_id.rpartition(":")[2])] += 1
    assert stored.max(initial=0) <= 1, f"{(stored > 1).sum()} events stand twice"
    lost, strange = [], set(np.flatnonzero(stored).tolist())
    for number in np.flatnonzero(attempted).tolist():
        made = world.make(number)
        if made.verdict == "bad":
            continue
        strange.discard(made.slot)
        if acknowledged[number] and not stored[made.slot]:
            lost.append(number)
    assert not lost, f"{len(lost)} acknowledged events are not stored, such as {lost[:5]}"
    assert not strange, f"{len(strange)} stored events were never published"
    return int(stored.sum())


def check_dead_letters(database_url: str, world: World, attempted: Any, acknowledged: Any) -> int:
    """Dead letters are exactly the bad events, as a set of payloads; returns how many payloads."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("select distinct payload from stream.dead_letters")
        dead = {bytes(payload) for (payload,) in cursor}
    must, may = set(), set()
    for number in np.flatnonzero(attempted).tolist():
        made = world.make(number)
        if made.verdict == "stored":
            continue
        may.add(made.value)
        if acknowledged[number]:
            must.add(made.value)
    assert not must - dead, f"bad events are missing: {sorted(must - dead)[:3]}"
    assert not dead - may, f"good events are dead letters: {sorted(dead - may)[:3]}"
    return len(dead)


def read_log(settings: Settings, kafka: str) -> Iterator[list[Record]]:
    """All that Kafka holds, in batches, each partition in order."""
    with closing(
        KafkaConsumer(bootstrap_servers=kafka.split(","), max_partition_fetch_bytes=2**20)
    ) as consumer:
        partitions = [
            TopicPartition(settings.topic(name), number)
            for name in TOPICS
            for number in consumer.partitions_for_topic(settings.topic(name)) or ()
        ]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        left = {tp for tp in partitions if ends[tp] > 0}
        while left:
            fetched = consumer.poll(timeout_ms=1000, max_records=BATCH)
            yield [
                Record(r.topic, r.partition, r.offset, r.timestamp / 1000.0, r.key, r.value)
                for records in fetched.values()
                for r in records
            ]
            left = {tp for tp in left if consumer.position(tp) < ends[tp]}


def store_from_scratch(settings: Settings, kafka: str, database_url: str) -> int:
    """Compute everything anew from the log, by one store that nothing disturbs."""
    count = 0
    with closing(psycopg2.connect(database_url)) as connection:
        store = Store(connection, settings.topic_prefix)
        for records in read_log(settings, kafka):
            if records:
                store.write(records)
                count += len(records)
    return count


def differences(one_url: str, other_url: str) -> dict[str, str]:
    """By table or view, how two databases differ; empty if they are the same."""
    found = {}
    for relation in COMPARED:
        one, other = (_sum(url, relation) for url in (one_url, other_url))
        if one != other:
            found[relation] = f"{one} against {other}; {_example(one_url, other_url, relation)}"
    return found


def _row(cursor: Any, relation: str) -> str:
    cursor.execute(
        "select string_agg(quote_ident(column_name), ', ' order by column_name) "
        "from information_schema.columns where table_schema = 'stream' "
        "and table_name = %s and column_name <> all(%s)",
        (relation, list(NOT_COMPARED)),
    )
    return f"({cursor.fetchone()[0]})::text"


def _sum(url: str, relation: str) -> tuple[int, int]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        row = _row(cursor, relation)
        cursor.execute(
            f"select count(*), coalesce(sum(hashtextextended(row{row}, 0)::numeric), 0) "
            f"from stream.{relation}"
        )
        count, total = cursor.fetchone() or (0, 0)
        return int(count), int(total)


def _example(one_url: str, other_url: str, relation: str) -> str:
    """A few of the rows that only one of the two has."""
    one, other = (_hashes(url, relation) for url in (one_url, other_url))
    return (
        f"only there: {_rows_of(one_url, relation, np.setdiff1d(one, other))}, "
        f"only from scratch: {_rows_of(other_url, relation, np.setdiff1d(other, one))}"
    )


def _hashes(url: str, relation: str) -> Any:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"select hashtextextended(row{_row(cursor, relation)}, 0) from stream.{relation}"
        )
        return np.fromiter((number for (number,) in cursor), np.int64)


def _rows_of(url: str, relation: str, hashes: Any) -> str:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        row = _row(cursor, relation)
        cursor.execute(
            f"select row{row} from stream.{relation} where hashtextextended(row{row}, 0) = any(%s) "
            "order by 1",
            (hashes[:4].tolist(),),
        )
        return f"{len(hashes)} such as {[text.replace(chr(92), '') for (text,) in cursor]}"

"""The log changes under a worker: cut by retention, made anew, widened, or with holes in it."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import orjson
import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from bizops.topics import ensure_topics
from streams.pool import WorkerPool

pytestmark = pytest.mark.slow


def touch(number: int) -> bytes:
    return orjson.dumps(
        {"type": "touch", "event_id": f"t{number}", "source": "test", "channel": "email",
         "occurred_at": "2026-03-01T10:00:00Z", "anonymous_id": f"a{number % 50}"}
    )  # fmt: skip


@pytest.fixture
def publish(pool: WorkerPool) -> Callable[..., None]:
    def send(numbers: range, *, partition: int = 0, transaction: str | None = None) -> None:
        options = {"transactional_id": transaction} if transaction else {}
        producer = KafkaProducer(
            bootstrap_servers=pool.endpoints.kafka.split(","), acks="all", **options
        )
        with closing(producer):
            if transaction:
                producer.init_transactions()
                producer.begin_transaction()
            topic = pool.settings.topic("touches")
            futures = [producer.send(topic, touch(n), partition=partition) for n in numbers]
            producer.flush()
            for future in futures:
                future.get(timeout=30)
            if transaction:
                producer.commit_transaction()

    return send


@pytest.fixture
def stored(database_url: str) -> Callable[[], set[int]]:
    def read() -> set[int]:
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            cursor.execute("select event_id from stream.touches")
            return {int(event_id[1:]) for (event_id,) in cursor}

    return read


def within(seconds: float, ready: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def test_what_retention_took_before_it_was_read_is_an_alarm(
    pool: WorkerPool, publish: Any, stored: Any, capfd: Any
) -> None:
    publish(range(100))
    pool.start()
    pool.run(until_caught_up=True)
    pool.stop()
    publish(range(100, 200))
    touches = TopicPartition(pool.settings.topic("touches"), 0)
    with closing(KafkaAdminClient(bootstrap_servers=pool.endpoints.kafka.split(","))) as admin:
        admin.delete_records({touches: 150})
    publish(range(200, 210))
    pool.start()
    pool.run(until_caught_up=True)
    pool.stop()
    assert stored() == {*range(100), *range(150, 210)}
    errors = capfd.readouterr().err
    gap = f"offset gap: expected offset 100 topic={touches.topic} partition=0 offset=150"
    assert gap in errors
    assert "Traceback" not in errors


def test_a_topic_made_anew_under_a_worker_is_read_from_its_start(
    pool: WorkerPool, publish: Any, stored: Any
) -> None:
    publish(range(300))
    pool.start()
    pool.run(until_caught_up=True)
    topic = pool.settings.topic("touches")
    with closing(KafkaAdminClient(bootstrap_servers=pool.endpoints.kafka.split(","))) as admin:
        admin.delete_topics([topic])
        assert within(20, lambda: topic not in admin.list_topics())
    ensure_topics(pool.settings, pool.endpoints.kafka)
    publish(range(1000, 1020))
    assert within(60, lambda: stored() >= set(range(1000, 1020)))
    pool.check()


def test_partitions_that_are_added_are_read(pool: WorkerPool, publish: Any, stored: Any) -> None:
    publish(range(10))
    pool.start()
    pool.run(until_caught_up=True)
    topic = pool.settings.topic("touches")
    with closing(KafkaAdminClient(bootstrap_servers=pool.endpoints.kafka.split(","))) as admin:
        admin.create_partitions({topic: pool.settings.partitions + 2})
    time.sleep(2)
    publish(range(10, 20), partition=pool.settings.partitions + 1)
    pool.processes.append(pool.start_worker())  # or within five minutes, by itself
    assert within(90, lambda: stored() == set(range(20)))
    pool.check()


def test_markers_of_transactions_are_no_lost_events(
    pool: WorkerPool, publish: Any, stored: Any
) -> None:
    for start in (0, 50, 100):
        publish(range(start, start + 50), transaction=f"tx-{start}")
    pool.start()
    assert within(60, lambda: stored() == set(range(150)))
    publish(range(150, 200), transaction="tx-150")
    assert within(60, lambda: stored() == set(range(200)))
    pool.check()

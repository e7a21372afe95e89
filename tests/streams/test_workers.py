"""Worker processes on real Kafka: killed, joined by others, and stopped, they lose nothing."""

import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import psycopg2
import pytest
from kafka import KafkaProducer

from bizops.errors import ServiceError
from bizops.settings import Settings
from streams.pool import WorkerPool

Message = tuple[str, str, bytes]
BAD = [b"{", b"\xff\xfe", b'{"type":"tuch"}', b"[]"]


def touch(number: int) -> bytes:
    return orjson.dumps(
        {"type": "touch", "event_id": f"t{number}", "source": "test", "channel": "email",
         "occurred_at": "2026-03-01T10:00:00Z", "anonymous_id": f"a{number % 500}"}
    )  # fmt: skip


def touches(*values: bytes) -> list[Message]:
    return [("touches", str(number % 64), value) for number, value in enumerate(values)]


def publish(settings: Settings, kafka: str, messages: list[Message], seconds: float = 0) -> None:
    """Publish all messages, over about so many seconds."""
    producer = KafkaProducer(
        bootstrap_servers=kafka.split(","), acks="all", linger_ms=5, max_request_size=2**20
    )
    steps = max(1, int(seconds * 10))
    futures = []
    for step in range(steps):
        chunk = messages[step * len(messages) // steps : (step + 1) * len(messages) // steps]
        futures += [
            producer.send(settings.topic(topic), value, key=key.encode())
            for topic, key, value in chunk
        ]
        time.sleep(seconds / steps)
    producer.flush()
    for future in futures:
        future.get(timeout=30)
    producer.close()


@pytest.fixture
def count(database_url: str) -> Callable[[str], int]:
    def run(query: str) -> int:
        connection = psycopg2.connect(database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                (number,) = cursor.fetchone() or (0,)
                return int(number)
        finally:
            connection.close()

    return run


def check_lossless(count: Callable[[str], int], good: int, bad: int) -> None:
    assert count("select count(*) from stream.touches") == good
    assert count("select count(distinct event_id) from stream.touches") == good
    assert count("select count(*) from stream.dead_letters") == bad


def test_ends_when_all_published_so_far_is_stored(pool: WorkerPool, count: Any) -> None:
    messages = touches(*[touch(n) for n in range(3000)], *BAD)
    publish(pool.settings, pool.endpoints.kafka, messages)
    pool.start()
    assert pool.run(until_caught_up=True) == 3004
    pool.stop()
    check_lossless(count, 3000, len(BAD))


def test_an_empty_topic_is_caught_up_at_once(pool: WorkerPool) -> None:
    pool.start()
    assert pool.run(until_caught_up=True) == 0


@pytest.mark.slow
def test_workers_that_join_and_leave_share_the_partitions(pool: WorkerPool, count: Any) -> None:
    messages = touches(*[touch(n) for n in range(20_000)])
    pool.start()
    producer = threading.Thread(
        target=publish, args=(pool.settings, pool.endpoints.kafka, messages, 6)
    )
    producer.start()
    time.sleep(2)
    pool.processes.append(pool.start_worker())
    time.sleep(3)
    leaving = pool.processes.pop(0)
    leaving.terminate()
    assert leaving.wait(30) == 0
    producer.join()
    pool.run(until_caught_up=True)
    pool.stop()
    check_lossless(count, 20_000, 0)


def test_a_worker_that_dies_is_an_error_and_not_a_silence(pool: WorkerPool) -> None:
    pool.start()
    pool.processes[0].kill()
    with pytest.raises(ServiceError, match="ended by itself with signal SIGKILL"):
        pool.run(until_caught_up=False)


def test_a_database_without_the_schema_is_said_so(pool: WorkerPool, count: Any) -> None:
    connection = psycopg2.connect(pool.endpoints.database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("drop schema stream cascade")
    connection.close()
    with pytest.raises(ServiceError, match="bizops migrate"):
        pool.start()

"""Kafka read again: rows that were lost come back, what was stored stays, what is gone is said."""

import json
import socket
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from typer.testing import CliRunner

from bizops.cli import app
from bizops.endpoints import Endpoints
from bizops.settings import Settings
from bizops.simulation import simulate
from bizops.topics import ensure_topics
from streams.pool import WorkerPool
from streams.reread import Reread, reread
from streams.shadow import DERIVED


@pytest.fixture
def published(settings: Settings, services: Endpoints) -> int:
    """Events in Kafka and in PostgreSQL, with bad ones among them."""
    assert settings.database_url is not None
    ensure_topics(settings, services.kafka)
    producer = KafkaProducer(bootstrap_servers=services.kafka.split(","), acks="all", linger_ms=5)
    events = simulate(seed=3).events[:3000]
    for event in events:
        producer.send(settings.topic(event.topic), event.to_json(), key=event.key.encode())
    for number in range(5):
        producer.send(settings.topic("touches"), b"{", key=str(number).encode())
    producer.flush()
    producer.close()
    pool = WorkerPool(settings, Endpoints(services.kafka, settings.database_url))
    try:
        pool.start()
        pool.run(until_caught_up=True)
    finally:
        pool.stop()
    return len(events) + 5


def rows(settings: Settings, statement: str, *, commit: bool = False) -> Any:
    connection = psycopg2.connect(settings.database_url or "")
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall() if cursor.description else None
    connection.close()
    return found


def everything(settings: Settings) -> list[Any]:
    derived = [(table.name, table.stamps) for table in DERIVED]
    tables = [("touches", ("stored_in",)), ("revenue", ("stored_in",)), ("dead_letters", ()),
              ("identities", ("stored_in",)), ("spend", ("stored_in",)), *derived]  # fmt: skip
    return [
        rows(settings, f"select to_jsonb(t) - '{{{','.join(stamps)}}}'::text[] j "
                       f"from stream.{name} t order by 1")
        for name, stamps in tables
    ]  # fmt: skip


def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    for name, value in {
        "BIZOPS_HOME": str(settings.home),
        "BIZOPS_KAFKA": settings.kafka or "",
        "BIZOPS_DATABASE_URL": settings.database_url or "",
        "BIZOPS_TOPIC_PREFIX": settings.topic_prefix,
        "BIZOPS_GROUP": settings.group,
    }.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["replay", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_live_workers_keep_the_port_of_their_metrics(
    settings: Settings, services: Endpoints
) -> None:
    assert settings.database_url is not None
    ensure_topics(settings, services.kafka)
    producer = KafkaProducer(bootstrap_servers=services.kafka.split(","), acks="all")
    event = simulate(seed=3).events[0]
    producer.send(settings.topic(event.topic), event.to_json())
    producer.close()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        watching = replace(settings.watching, metrics_port=free.getsockname()[1])
    watched = replace(settings, watching=watching)
    endpoints = Endpoints(services.kafka, settings.database_url)
    live = WorkerPool(watched, endpoints)
    try:
        live.start()
        live.run(until_caught_up=True)
        assert reread(watched, endpoints) == Reread(records=1, stored={}, gone={})
    finally:
        live.stop()


@pytest.mark.slow
def test_lost_rows_come_back_from_kafka(
    settings: Settings, services: Endpoints, published: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(settings)
    assert "same as before" in run(settings, monkeypatch)
    rows(settings, "delete from stream.touches where event_id in "
                   "(select event_id from stream.touches order by 1 limit 9)")  # fmt: skip
    rows(settings, "truncate stream.identifiers, stream.identity_edges")
    rows(settings, "delete from stream.dead_letters")
    told = json.loads(run(settings, monkeypatch, "--from", "kafka", "--format", "json"))
    assert told["reread"] == {"records": published, "stored": {"touch": 9}, "gone": {}}
    assert everything(settings) == before

    topic, partition = settings.topic("touches"), 0
    admin = KafkaAdminClient(bootstrap_servers=services.kafka.split(","))
    admin.delete_records({TopicPartition(topic, partition): 4})
    admin.close()
    shown = run(settings, monkeypatch, "--from", "kafka", "--workers", "2")
    assert f"Kafka no longer holds 4 records of {topic}" in shown
    assert f"{published - 4:,} records of Kafka read again; stored meanwhile: nothing" in shown
    assert "same as before" in shown
    assert everything(settings) == before

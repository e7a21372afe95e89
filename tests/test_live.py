"""A deal through Kafka is credited by the process that `bizops stream` keeps beside its workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import psutil
import psycopg2
import pytest
from kafka import KafkaProducer

from attribution.fit import Options, attribute
from bizops.beside import kept_running
from bizops.endpoints import Endpoints
from bizops.settings import Settings
from bizops.topics import ensure_topics
from streams.records import Record
from streams.store import Store
from warehouse.roles import create_logins, make_roles

TOUCH = {"type": "touch", "event_id": "t1", "source": "test", "channel": "ads", "campaign_id": "a",
         "occurred_at": "2026-01-02T10:00:00Z", "account_id": "acme"}  # fmt: skip
DEAL = {"type": "revenue", "source": "test", "occurred_at": "2026-02-01T10:00:00Z",
        "account_id": "acme", "kind": "new", "iacv": "10.00", "currency": "EUR"}  # fmt: skip
BIZOPS = str(Path(sys.executable).with_name("bizops"))


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


@pytest.fixture
def attributed(settings: Settings, services: Endpoints) -> str:
    """A database with a published run."""
    assert settings.database_url is not None
    ensure_topics(settings, services.kafka)
    connection = psycopg2.connect(settings.database_url)
    Store(connection).write([Record("touches", 0, 0, 1.7e9, b"k", orjson.dumps(TOUCH))])
    connection.close()
    attribute(settings, settings.database_url, Options(rules_only=True))
    return settings.database_url


@pytest.fixture
def publish(settings: Settings, services: Endpoints) -> Iterator[Callable[[str], None]]:
    producer = KafkaProducer(bootstrap_servers=services.kafka.split(","), acks="all")

    def send(event_id: str) -> None:
        value = orjson.dumps(DEAL | {"event_id": event_id})
        producer.send(settings.topic("revenue"), value, b"acme").get(timeout=30)

    yield send
    producer.close()


def start(settings: Settings, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [BIZOPS, "stream", *arguments],
        env=os.environ | settings.environment(),
        stderr=subprocess.PIPE,
    )


def children(pid: int, name: str) -> list[psutil.Process]:
    found = psutil.Process(pid).children()
    return [child for child in found if name in " ".join(child.cmdline())]


def test_a_deal_is_credited_beside_the_workers_and_what_credits_it_is_kept_running(
    settings: Settings, attributed: str, publish: Callable[[str], None]
) -> None:
    credited = "select conversion_id, provisional from attribution.conversions order by 1"
    stream = start(settings)
    try:
        publish("d1")
        wait_for(lambda: rows(attributed, credited) == [("d1", True)])
        (live,) = children(stream.pid, "live")
        live.kill()
        publish("d2")
        wait_for(lambda: rows(attributed, credited) == [("d1", True), ("d2", True)])
        everyone = [*psutil.Process(stream.pid).children(), live]
    finally:
        stream.send_signal(signal.SIGTERM)
        _, told = stream.communicate(timeout=60)
    assert not [process for process in everyone if process.is_running()]
    assert b"bizops live ended with -9" in told


def test_it_can_be_left_out(settings: Settings, attributed: str) -> None:
    stream = start(settings, "--no-live")
    try:
        wait_for(lambda: children(stream.pid, "streams.worker"))
        time.sleep(0.5)
        assert not children(stream.pid, "live")
    finally:
        stream.send_signal(signal.SIGTERM)
        stream.communicate(timeout=60)


def test_who_may_not_write_credit_is_told_and_streams(
    settings: Settings, attributed: str, publish: Callable[[str], None], tmp_path: Path
) -> None:
    connection = psycopg2.connect(attributed)
    with connection:
        make_roles(connection)
        create_logins(connection, tmp_path / "logins")
    connection.close()
    logins = dict(line.split() for line in (tmp_path / "logins").read_text().splitlines())
    environment = settings.environment() | {"BIZOPS_DATABASE_URL": logins["bizops_stream_login"]}
    publish("d1")
    done = subprocess.run(
        [BIZOPS, "stream", "--until-caught-up", "--live"],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "run `bizops live` as bizops_attribute" in done.stderr
    assert rows(attributed, "select event_id from stream.revenue") == [("d1",)]


def test_a_process_that_ends_starts_again_and_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bizops.beside.FIRST_WAIT_S", 0.05)
    started = tmp_path / "started"
    script = f"echo $$ >> {started}; test $(wc -l < {started}) -lt 3 || exec sleep 60"

    def ids() -> list[int]:
        return [int(line) for line in started.read_text().split()] if started.exists() else []

    with kept_running("it", ["sh", "-c", script], os.environ):
        wait_for(lambda: len(ids()) == 3)
        time.sleep(0.2)
    assert len(ids()) == 3
    for pid in ids():
        with suppress(psutil.NoSuchProcess):
            assert not psutil.Process(pid).is_running()

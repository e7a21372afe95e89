"""The probes of a real worker tell the truth about progress, whatever its sockets do."""

import json
import os
import signal
import socket
import socketserver
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import psutil
import psycopg2
import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from bizops.database import connect
from bizops.endpoints import Endpoints
from bizops.settings import Settings
from bizops.topics import ensure_topics
from bizops.watching import Watching
from streams.health import ProbeLimits
from streams.metrics import Metrics
from streams.pool import WorkerPool
from streams.records import Record, Written
from streams.watch import Watch, missing_columns

STALL_LIMIT_S = 4.0


class Proxy:
    """PostgreSQL by another port, where it can be made to be away or silent."""

    def __init__(self, database_url: str) -> None:
        before, _, address = database_url.rpartition("@")
        host_port, _, name = address.partition("/")
        host, _, port = host_port.partition(":")
        self.target = (host, int(port))
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.away = False
        self.open: list[socket.socket] = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if proxy.away:
                    return
                with socket.create_connection(proxy.target) as other:
                    proxy.open += [self.request, other]
                    back = threading.Thread(target=proxy.pump, args=(other, self.request))
                    back.start()
                    proxy.pump(self.request, other)
                    back.join()

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"{before}@127.0.0.1:{self.server.server_address[1]}/{name}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self.goes_on.wait()
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        self.away = True
        for end in self.open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def stop(self) -> None:
        self.goes_on.set()
        self.cut()
        self.server.shutdown()
        self.server.server_close()


class Probes:
    """What a worker answers, and waiting for it to answer something else."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> str:
        try:
            url = f"http://127.0.0.1:{self.port}/{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()
        except OSError as error:  # not started yet
            return json.dumps({"reasons": [str(error)], path: False})

    def reasons(self, path: str) -> str:
        return " ".join(json.loads(self.get(path))["reasons"])

    def wait_for(self, path: str, reason: str | None, within_s: float = 45.0) -> None:
        """Until the probe fails for the reason, or with None, until it succeeds."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            told = self.reasons(path)
            if (told == "") if reason is None else (reason in told):
                return
            time.sleep(0.2)
        pytest.fail(f"/{path} tells {told!r}, not {reason!r}")

    def wait_for_sample(self, name: str, value: float, within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while self.sample(name) != value and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.sample(name) == value

    def sample(self, name: str) -> float:
        lines = self.get("metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    proxy = Proxy(database_url)
    yield proxy
    proxy.stop()


@pytest.fixture
def probes(settings: Settings, services: Endpoints, proxy: Proxy) -> Iterator[Probes]:
    """Those of one worker, started, which reaches PostgreSQL by the proxy."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    watching = Watching(metrics_port=port, stall_limit_s=STALL_LIMIT_S)
    ensure_topics(settings, services.kafka)
    pool = WorkerPool(replace(settings, watching=watching), Endpoints(services.kafka, proxy.url))
    pool.processes.append(pool.start_worker())
    yield Probes(port)
    pool.stop()


@pytest.fixture
def publish(settings: Settings, services: Endpoints) -> Iterator[Callable[[int], None]]:
    producer = KafkaProducer(bootstrap_servers=services.kafka.split(","), acks="all")
    numbers = iter(range(10**9))

    def run(count: int) -> None:
        for _ in range(count):
            event = {
                "type": "touch", "event_id": f"t{next(numbers)}", "source": "test",
                "channel": "email", "occurred_at": "2026-03-01T10:00:00Z", "anonymous_id": "a",
            }  # fmt: skip
            producer.send(settings.topic("touches"), orjson.dumps(event), key=b"k")
        producer.flush()

    yield run
    producer.close()


@pytest.mark.slow
def test_a_worker_whose_store_hangs_is_not_live(
    probes: Probes, publish: Any, database_url: str
) -> None:
    assert probes.reasons("ready") != "", "it has not even begun"
    probes.wait_for("ready", None)
    publish(10)
    probes.wait_for_sample('bizops_stream_events_total{outcome="stored",type="touch"}', 10)
    assert probes.sample("bizops_stream_event_to_visible_seconds_count") == 10
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("lock table stream.touches in access exclusive mode")
        time.sleep(STALL_LIMIT_S + 2)
        assert probes.reasons("live") == "", "nothing waits, so nothing is stuck"
        publish(5)
        probes.wait_for("live", "nothing has been stored")
        assert "5 records wait" in probes.reasons("ready")
        assert probes.sample("bizops_stream_lag_records") == 5
        assert probes.sample("bizops_stream_lag_seconds") > 1
        assert probes.sample('bizops_stream_healthy{probe="live"}') == 0
        other.rollback()
    probes.wait_for("live", None)
    probes.wait_for("ready", None)
    probes.wait_for_sample("bizops_stream_lag_records", 0)


@pytest.mark.slow
def test_without_postgresql_a_worker_is_live_and_not_ready(
    probes: Probes, publish: Any, proxy: Proxy
) -> None:
    publish(5)
    probes.wait_for("ready", None)
    proxy.cut()
    publish(5)
    probes.wait_for("ready", "PostgreSQL has taken no rows")
    assert probes.reasons("live") == ""
    assert probes.sample("bizops_stream_database_retries_total") > 0
    assert probes.sample("bizops_stream_database_away_seconds") > 5
    proxy.away = False
    probes.wait_for("ready", None)
    proxy.goes_on.clear()  # connections stay open, nothing goes through
    publish(5)
    probes.wait_for("ready", "PostgreSQL has not answered")
    assert probes.reasons("live") == ""
    proxy.goes_on.set()
    probes.wait_for("ready", None)
    assert probes.reasons("live") == ""


@contextmanager
def paused(servers: str) -> Iterator[None]:
    ports = {int(server.rpartition(":")[2]) for server in servers.split(",")}
    pids = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == "LISTEN" and connection.laddr.port in ports and connection.pid
    }
    if len(pids) != len(ports):
        pytest.skip("these brokers are not processes of this machine")
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_without_kafka_a_worker_is_live_and_not_ready(
    probes: Probes, publish: Any, services: Endpoints
) -> None:
    publish(5)
    probes.wait_for("ready", None)
    with paused(services.kafka):
        probes.wait_for("ready", "Kafka has not answered")
        assert probes.reasons("live") == ""
        assert probes.sample("bizops_stream_kafka_silent_seconds") > 10
    probes.wait_for("ready", None)


def test_a_schema_that_lacks_something_is_said_so(database_url: str) -> None:
    assert missing_columns(database_url) == ()
    with connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("alter table stream.touches drop column utm_term cascade")
        cursor.execute("drop table stream.lift_tests")
    connection.close()
    missing = missing_columns(database_url)
    assert "stream.touches.utm_term" in missing
    assert "stream.lift_tests.event_id" in missing
    assert not any(name.startswith("stream.revenue") for name in missing)


@pytest.mark.parametrize("until_caught_up", [False, True])
def test_a_pool_waits_for_kafka_unless_it_is_to_end(
    until_caught_up: bool, settings: Settings, monkeypatch: Any
) -> None:
    class Away:
        def __init__(self, *_: Any) -> None:
            self.behinds = iter([2, KafkaTimeoutError("away"), 1, 0])

        def published(self) -> dict[Any, int]:
            return {}

        def behind(self, published: dict[Any, int]) -> int:
            behind = next(self.behinds)
            if isinstance(behind, Exception):
                raise behind
            return behind

        def close(self) -> None: ...

    monkeypatch.setattr("streams.pool.Lag", Away)
    pool = WorkerPool(settings, Endpoints("", ""))
    seen: list[int] = []
    ending = KafkaTimeoutError if until_caught_up else StopIteration
    with pytest.raises(ending):
        pool.run(until_caught_up=until_caught_up, progress=lambda done, _: seen.append(done))
    assert seen == ([0] if until_caught_up else [0, 0, 1, 2])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Loop:
    def call_soon_threadsafe(self, turned: Callable[[Any], None], loop: Any) -> None:
        turned(loop)


def test_the_clock_of_a_stall_starts_when_work_and_database_are_there() -> None:
    clock = Clock()
    patient = SimpleNamespace(
        retries=0, away_since=None, refusal="", write=lambda records: Written()
    )
    watch = Watch(patient, Metrics(), "", ProbeLimits(stall_s=10), clock=clock, wall=clock)
    watch.missing = ()
    turning: Any = Loop()

    def look(at: float, **state: Any) -> list[str]:
        clock.now = at
        vars(watch.positions).update(joined=True, _met_at=at, by_partition=state)
        watch._database_at = at
        watch.look(None, turning)
        return watch.why_not_live()

    waits = SimpleNamespace(lag=3, oldest_at=0.0)
    assert look(100) == []
    assert look(105, p=waits) == []
    assert look(111, p=waits) != []
    patient.away_since = 50.0
    assert look(200, p=waits) == []
    patient.away_since = None
    assert look(209, p=waits) == [], "it was away until just before"
    watch.write([Record("touches", 0, 0, 0.0, None, None)])
    assert look(218, p=waits) == []
    assert look(220, p=waits) != []

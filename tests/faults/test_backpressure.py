"""A service that is away: memory stays bounded, and the backlog drains without help.

``BIZOPS_SOAK_AWAY`` says for how many seconds PostgreSQL is away; ``make soak`` has ten minutes.
"""

import gzip
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from bizops.endpoints import Endpoints
from bizops.settings import Settings
from bizops.topics import ensure_topics
from streams.lag import Lag
from streams.pool import WorkerPool
from tests.faults.checks import check_stored
from tests.faults.cluster import Cluster
from tests.faults.feeder import Feeder
from tests.faults.made import World

# kafka-python leaves sockets of brokers that do not answer to the garbage collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2 * 3600),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AWAY_S = float(os.environ.get("BIZOPS_SOAK_AWAY", "20"))
RATE = 5_000.0
MOST_GROWTH = 200 * 2**20
"""Bytes: what Faust's queues and the client's fetches may hold while nothing can be written."""


def peak_rss(pids: list[int], seconds: float) -> int:
    """The most bytes that one of the processes held."""
    peak, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        peak = max(peak, *(psutil.Process(pid).memory_info().rss for pid in pids))
        time.sleep(0.5)
    return peak


def test_with_postgres_away_memory_is_bounded_and_the_backlog_drains(
    cluster: Cluster, fault_settings: Settings
) -> None:
    kafka = cluster.endpoints.kafka
    ensure_topics(fault_settings, kafka)
    pool = WorkerPool(fault_settings, Endpoints(kafka, cluster.database_url), 2)
    total = int(RATE * (AWAY_S + 10))
    feeder = Feeder(fault_settings, kafka, World(1), total, lambda: total, RATE)
    pool.start()
    feeder.start()
    try:
        time.sleep(8)
        pids = [process.pid for process in pool.processes]
        before = peak_rss(pids, 1)
        cluster.stop_postgres(signal.SIGINT)
        during = peak_rss(pids, AWAY_S)
        cluster.start_postgres()
        feeder.join(300 + AWAY_S)
        assert feeder.done
        with closing(Lag(fault_settings, kafka)) as lag:
            published = lag.published()
            until = time.monotonic() + 120 + total / 1000
            while behind := lag.behind(published):
                pool.check()
                assert time.monotonic() < until, f"{behind:,} events are still not stored"
                time.sleep(0.5)
    finally:
        pool.stop()
    print(f"peak worker memory: {before >> 20} MiB before, {during >> 20} MiB while away")
    assert during - before < MOST_GROWTH
    check_stored(cluster.database_url, feeder.world, feeder.attempted, feeder.acknowledged)


def test_with_kafka_away_the_producer_holds_a_bounded_amount_and_goes_on(
    cluster: Cluster, fault_settings: Settings, tmp_path: Path
) -> None:
    """All brokers stop in the midst of a file, and go on; the producer waits and finishes."""
    world, file = World(2), tmp_path / "events.jsonl.gz"
    numbers = [n for n in range(90_000) if world.make(n).verdict == "stored"]
    with gzip.open(file, "wb", compresslevel=1) as out:
        out.writelines(world.make(n).value + b"\n" for n in numbers)
    environment = os.environ | {
        "BIZOPS_HOME": str(fault_settings.home),
        "BIZOPS_KAFKA": cluster.endpoints.kafka,
    }
    producer = subprocess.Popen(
        [Path(sys.executable).with_name("bizops"), "produce", "jsonl", file],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    with closing(Lag(fault_settings, cluster.endpoints.kafka)) as lag:
        ensure_topics(fault_settings, cluster.endpoints.kafka)
        while sum(lag.published().values()) < 5_000:
            assert producer.poll() is None
            time.sleep(0.1)
        before = psutil.Process(producer.pid).memory_info().rss
        for node in (1, 2, 3):
            cluster.signal_broker(node, signal.SIGSTOP)
        try:
            during = peak_rss([producer.pid], 12)
        finally:
            for node in (1, 2, 3):
                cluster.signal_broker(node, signal.SIGCONT)
        assert producer.wait(300) == 0
        assert sum(lag.published().values()) >= len(numbers)
    print(f"producer memory: {before >> 20} MiB before, {during >> 20} MiB while away")
    assert during - before < MOST_GROWTH

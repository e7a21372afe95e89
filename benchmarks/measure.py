"""What is measured, the same way for every contestant.

Rate and cost: between the moment the first row is visible to a reader and the moment the last event
of every partition is, so that start-up is left out. Latency: a reader of its own asks every two
milliseconds for a sample of the events (about 200 a second) that were handed to the producer and
not seen yet; an event is visible when a query has returned it. Both are what somebody who queries
the table gets: a commit that is not visible yet does not count.
"""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.peers import Contestant, Target
from benchmarks.peers.contestant import ROOT, environment
from benchmarks.topic import event_id, last_ids
from bizops.database import Connection, connect

__all__ = ["Cost", "Latency", "Rate", "count_rows", "measure_latency", "measure_rate", "producing"]

LOOK_EVERY_S, PROBE_EVERY_S, WEIGH_EVERY_S = 0.02, 0.002, 0.5
SAMPLES_PER_S = 200
WARM_S = 6.0
STALLED_S = 120.0


@dataclass
class Rate:
    """One pass over the topic."""

    events_per_s: float
    cpu_s_per_million: float
    memory_mib: float


@dataclass
class Latency:
    """From just before an event is handed to the producer until a reader sees it, in ms."""

    rate: float
    p50_ms: float
    p99_ms: float
    samples: int
    missing: int
    cpu_share: float


class Cost:
    """CPU seconds of a process tree, and the most memory it was seen to hold."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.peak_mib = 0.0
        self.weighed = 0.0

    def cpu_s(self) -> float:
        total = 0.0
        for process in self.contestant.tree():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def weigh(self) -> None:
        if time.monotonic() - self.weighed < WEIGH_EVERY_S:
            return
        self.weighed = time.monotonic()
        memory = 0
        for process in self.contestant.tree():
            try:
                memory += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        self.peak_mib = max(self.peak_mib, memory / 2**20)


def count_rows(connection: Connection, table: str) -> tuple[int, int]:
    """Rows of the benchmark's events, and different events among them."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"select count(*), count(distinct event_id) from {table} where event_id like %s",
            ("bench:touch:%",),
        )
        rows, different = cursor.fetchone() or (0, 0)
    return int(rows), int(different)


def _seen(connection: Connection, table: str, ids: Iterable[str]) -> set[str]:
    with connection, connection.cursor() as cursor:
        cursor.execute(f"select event_id from {table} where event_id = any(%s)", (list(ids),))
        return {row[0] for row in cursor.fetchall()}


def measure_rate(contestant: Contestant, target: Target, events: int, log: Path) -> Rate:
    """One pass over ``events`` that are in the topic already, into an empty or a filled table."""
    connection = connect(target.endpoints.database_url, application="bench-reader")
    cost = Cost(contestant)
    try:
        contestant.start(target, log)
        first = f"select 1 from {target.table} where event_id like 'bench:touch:%%' limit 1"
        while not _any(connection, first):
            contestant.check()
            time.sleep(LOOK_EVERY_S)
        began, cpu = time.perf_counter(), cost.cpu_s()
        at_first, _ = count_rows(connection, target.table)
        pending, moved = set(last_ids(events)), time.monotonic()
        while pending:
            cost.weigh()
            seen = _seen(connection, target.table, pending)
            pending -= seen
            if seen:
                moved = time.monotonic()
            elif time.monotonic() - moved > 10 * STALLED_S:
                raise RuntimeError(f"{contestant.name} does not get to the end of the topic")
            contestant.check()
            time.sleep(LOOK_EVERY_S)
        seconds, cpu = time.perf_counter() - began, cost.cpu_s() - cpu
        stored, _ = count_rows(connection, target.table)
    finally:
        connection.close()
    if stored != events:
        raise RuntimeError(f"{contestant.name} stored {stored:,} of {events:,} events")
    done = events - at_first
    return Rate(done / seconds, cpu / done * 1e6, cost.peak_mib)


def _any(connection: Connection, query: str) -> bool:
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone() is not None


@contextmanager
def producing(
    target: Target, events: int, *, rate: float = 0.0, sample: int = 0
) -> Iterator["subprocess.Popen[str]"]:
    """The producer's process, ended with the block."""
    command = [sys.executable, "-m", "benchmarks.topic", target.endpoints.kafka, target.topic]
    command += [str(events), "--rate", str(rate), "--sample", str(sample)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(target), stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def measure_latency(
    contestant: Contestant, target: Target, rate: float, seconds: float, log: Path
) -> Latency:
    """Publish at a steady rate to a running contestant; the first seconds do not count."""
    events = int(rate * (seconds + WARM_S))
    sample = max(1, int(rate / SAMPLES_PER_S))
    connection = connect(target.endpoints.database_url, application="bench-reader")
    sent: dict[str, float] = {}
    delays: list[float] = []
    try:
        contestant.start(target, log)
        _warm_up(contestant, target, connection)
        cost = Cost(contestant)
        with producing(target, events, rate=rate, sample=sample) as producer:
            done = threading.Event()
            reader = threading.Thread(target=_collect, args=(producer, sent, done), daemon=True)
            reader.start()
            cpu, began = cost.cpu_s(), time.time()
            pending: dict[str, float] = {}
            while not (done.is_set() and not sent and not pending):
                while sent:
                    name, at = sent.popitem()
                    pending[name] = at
                seen = _seen(connection, target.table, pending) if pending else set()
                now = time.time()
                for name in seen:
                    at = pending.pop(name)
                    if at - began > WARM_S:
                        delays.append(now - at)
                if done.is_set() and now - began > seconds + WARM_S + STALLED_S / 4:
                    break
                time.sleep(PROBE_EVERY_S)
            cpu = (cost.cpu_s() - cpu) / (time.time() - began)
    finally:
        connection.close()
    ranks = statistics.quantiles(delays, n=100, method="inclusive")
    return Latency(rate, ranks[49] * 1000, ranks[98] * 1000, len(delays), len(pending), cpu)


def _collect(
    producer: "subprocess.Popen[str]", sent: dict[str, float], done: threading.Event
) -> None:
    assert producer.stdout
    for line in producer.stdout:
        number, at = line.split()
        sent[event_id(int(number))] = float(at)
    done.set()


def _warm_up(contestant: Contestant, target: Target, connection: Connection) -> None:
    """Wait until the contestant reads: some events with ids of their own go first."""
    with producing(target, 1) as producer:
        producer.wait()
    until = time.monotonic() + STALLED_S
    while not _seen(connection, target.table, [event_id(0)]):
        contestant.check()
        if time.monotonic() > until:
            raise RuntimeError(f"{contestant.name} reads nothing")
        time.sleep(LOOK_EVERY_S)

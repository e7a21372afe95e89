"""What one worker is doing, observed from beside it: the source of its probes and gauges."""

import asyncio
import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import psycopg2
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bizops.database import connect, load_queries
from bizops.errors import ServiceError
from bizops.settings import Settings
from streams.health import Observed, ProbeLimits, could_work, why_not_live, why_not_ready
from streams.logs import DeadLetterLog
from streams.metrics import Metrics
from streams.positions import Positions
from streams.records import Record, Written
from streams.tables import TABLES

__all__ = ["Patient", "Watch", "missing_columns", "watch_store"]

QUERIES = load_queries("streams", "watch.sql")
LOOK_EVERY_S = 1.0
ASK_DATABASE_AFTER_S = 5.0  # unless a batch was stored meanwhile

log = logging.getLogger("bizops.stream")


class Patient(Protocol):
    """A store that waits for its database, and says how often, since when and why."""

    retries: int
    away_since: float | None
    refusal: str

    def write(self, records: Sequence[Record]) -> Written:
        """Store a batch, however long it takes."""


class Watch(Collector):
    """Follows one worker: what it wrote, how far it is, and whether its services answer.

    It runs in threads of its own, so that it can tell of an event loop that hangs. Kafka and
    PostgreSQL are asked only when the worker's own traffic has not shown them for a while.

    Parameters
    ----------
    patient
        The store of the worker, written through :meth:`write`.
    metrics
        Where to count; this adds the gauges.
    database_url
        To ask PostgreSQL over connections of its own.
    limits
        When the probes fail.
    clock, wall
        Seconds that only go up, and seconds since 1970.
    """

    def __init__(
        self,
        patient: Patient,
        metrics: Metrics,
        database_url: str,
        limits: ProbeLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.patient, self.metrics, self.database_url = patient, metrics, database_url
        self.limits, self.clock, self.wall = limits, clock, wall
        self.positions = Positions(clock=clock, wall=wall)
        self.letters = DeadLetterLog(clock=clock)
        self.missing: tuple[str, ...] | None = None
        self._looked_at = self._progressed_at = self._database_at = clock()
        self._turned_at: dict[Any, float] = {}
        self._asked: set[Any] = set()
        metrics.registry.register(self)

    def write(self, records: Sequence[Record]) -> Written:
        """Store a batch, and count and tell what it came to."""
        began = self.clock()
        written = self.patient.write(records)
        self._progressed_at = self._database_at = now = self.clock()
        self.metrics.count(records, written, took_s=now - began, committed_at=self.wall())
        self.letters.tell(written.letters)
        for topic, partition, expected, found in written.gaps:
            place = {"topic": topic, "partition": partition, "offset": found}
            log.error("offset gap: expected offset %d", expected, extra=place)
        return written

    def start(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to observe a Faust app on its loop; ends with the process."""

        def look() -> None:
            self.look(app._consumer, loop)  # the property would make a consumer here

        atexit.register(self.letters.end)
        for name, step in (("watch", look), ("watch-database", self.look_at_database)):
            threading.Thread(target=_repeat, args=(step,), name=name, daemon=True).start()

    def look(self, consumer: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Observe once: whether the loops turn, and how far each partition is."""
        thread = getattr(consumer, "_thread", None)
        self._ping(*(one for one in (loop, getattr(thread, "thread_loop", None)) if one))
        if consumer is not None:
            self.positions.look(consumer)
        self.letters.tell()
        self._looked_at = self.clock()
        if not could_work(self.observe(), self.limits):
            self._progressed_at = self._looked_at

    def look_at_database(self) -> None:
        """Ask PostgreSQL what it lacks, unless a batch has just shown that it answers."""
        asked_at = self.clock()
        if self.missing == () and asked_at - self._database_at < ASK_DATABASE_AFTER_S:
            return
        try:
            self.missing = missing_columns(self.database_url)
        except (ServiceError, psycopg2.Error):
            return
        self._database_at = self.clock()

    def observe(self) -> Observed:
        """What is known now."""
        now, positions, patient = self.clock(), self.positions, self.patient
        partitions = positions.by_partition.values()
        away_since = patient.away_since
        return Observed(
            joined=positions.joined,
            unjoined_s=positions.unjoined_s(),
            in_hand=any(partition.oldest_at is not None for partition in partitions),
            lag_records=sum(partition.lag for partition in partitions),
            lag_s=positions.lag_s(),
            still_s=now - self._progressed_at,
            loop_silent_s=now - min(self._turned_at.values(), default=now),
            watch_silent_s=now - self._looked_at,
            kafka_silent_s=positions.kafka_silent_s(),
            database_silent_s=now - self._database_at,
            database_away_s=0.0 if away_since is None else now - away_since,
            database_refusal=patient.refusal,
            missing=self.missing,
        )

    def why_not_live(self) -> list[str]:
        """Why a restart would help; empty where it would not."""
        return why_not_live(self.observe(), self.limits)

    def why_not_ready(self) -> list[str]:
        """Why what is stored may not be up to date; empty where it is."""
        return why_not_ready(self.observe(), self.limits)

    def collect(self) -> Iterable[Metric]:
        """The gauges, as they are when Prometheus asks."""
        seen, positions = self.observe(), self.positions
        lag = GaugeMetricFamily(
            "bizops_stream_lag_records",
            "Records published and not stored, by partition of this worker",
            labels=("type", "partition"),
        )
        for tp, partition in positions.by_partition.items():
            labels = (self.metrics.type_of(tp.topic), str(tp.partition))
            lag.add_metric(labels, partition.lag)
        yield lag
        healthy = GaugeMetricFamily(
            "bizops_stream_healthy", "What the probes answer: 1 or 0", labels=("probe",)
        )
        healthy.add_metric(("live",), not why_not_live(seen, self.limits))
        healthy.add_metric(("ready",), not why_not_ready(seen, self.limits))
        yield healthy
        for name, told, value in (
            ("lag_seconds", "Age of the oldest record that is not stored", seen.lag_s),
            ("assigned_partitions", "Partitions of this worker", len(positions.by_partition)),
            ("kafka_silent_seconds", "Since Kafka answered last", seen.kafka_silent_s),
            ("database_silent_seconds", "Since PostgreSQL answered last", seen.database_silent_s),
            (
                "database_away_seconds",
                "For how long the store has tried in vain",
                seen.database_away_s,
            ),
            ("loop_silent_seconds", "Since the event loops turned last", seen.loop_silent_s),
        ):
            yield GaugeMetricFamily(f"bizops_stream_{name}", told, value=value)
        for name, told, value in (
            ("database_retries", "Batches tried again because PostgreSQL was away",
             self.patient.retries),
            ("rebalances", "Times the group gave this worker partitions", positions.rebalances),
        ):  # fmt: skip
            yield CounterMetricFamily(f"bizops_stream_{name}", told, value=value)

    def _ping(self, *loops: asyncio.AbstractEventLoop) -> None:
        """Have each loop note when it turned; asked again only once it has."""
        now = self.clock()
        self._turned_at = {loop: self._turned_at.get(loop, now) for loop in loops}
        for loop in self._turned_at.keys() - self._asked:
            self._asked.add(loop)
            with suppress(RuntimeError):  # closed: it will not turn again, and that is told
                loop.call_soon_threadsafe(self._turned, loop)

    def _turned(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop in self._turned_at:
            self._turned_at[loop] = self.clock()
        self._asked.discard(loop)


def watch_store(patient: Patient, settings: Settings, database_url: str) -> Watch:
    """A watch as the settings want it."""
    watching = settings.watching
    limits = ProbeLimits(stall_s=watching.stall_limit_s, lag_s=watching.lag_limit_s)
    return Watch(patient, Metrics(settings.topic_prefix), database_url, limits)


def missing_columns(database_url: str) -> tuple[str, ...]:
    """What workers write and the database lacks, as ``table.column``.

    Raises
    ------
    ServiceError, psycopg2.Error
        If PostgreSQL cannot be asked.
    """
    wanted = [(table.name, column) for table in TABLES.values() for column in table.columns]
    wanted += [("progress", "next_offset"), ("dead_letters", "payload")]
    connection = connect(database_url, application="bizops-watch")
    try:
        with connection, connection.cursor() as cursor:
            tables, columns = zip(*wanted, strict=True)
            cursor.execute(QUERIES["missing_columns"], (list(tables), list(columns)))
            return tuple(name for (name,) in cursor.fetchall())
    finally:
        connection.close()


def _repeat(step: Callable[[], None]) -> None:
    while True:
        try:
            step()
        except Exception:  # told, and by its silence the probe fails if it goes on
            log.warning("the worker could not be observed", exc_info=True)
        time.sleep(LOOK_EVERY_S)

"""What Prometheus may ask of a worker; docs/operations.md says what each metric means."""

import collections
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import fields

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from bizops.events import EVENT_TYPES
from streams.records import Record, Written

__all__ = ["BatchHistogram", "Metrics"]

COUNTED = tuple(
    field.name for field in fields(Written) if field.default_factory is collections.Counter
)
OUTCOMES = tuple(name for name in COUNTED if name != "dead")  # those that are counted by type
VISIBLE_BOUNDS_S = (
    0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
)  # fmt: skip
BATCH_BOUNDS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 120.0)
BATCH_BOUNDS_RECORDS = (1, 10, 50, 100, 250, 500, 1000, 2000, 4000, 8000, 16000)


class BatchHistogram(Collector):
    """A histogram that takes a whole batch of values for little more than the price of sorting."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self.name, self.documentation, self.bounds = name, documentation, tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe_all(self, values: Sequence[float]) -> None:
        """Count values in; a bound belongs to the bucket below it, and what is negative is 0."""
        if not values:
            return
        ordered = sorted(values)  # events come nearly in order, which sorting is quick at
        if ordered[0] < 0.0:  # the producer's clock is ahead of ours
            ordered = [max(0.0, value) for value in ordered]
        self._sum += sum(ordered)
        below = 0
        for number, bound in enumerate(self.bounds):
            upto = bisect_right(ordered, bound, lo=below)
            self._counts[number] += upto - below
            below = upto
            if below == len(ordered):
                return
        self._counts[-1] += len(ordered) - below

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The counts so far, cumulative as Prometheus wants them."""
        total = 0
        buckets = []
        for bound, count in zip((*self.bounds, float("inf")), list(self._counts), strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), total))
        yield HistogramMetricFamily(
            self.name, self.documentation, buckets=buckets, sum_value=self._sum
        )


class Metrics:
    """All metrics of one worker, in a registry of its own.

    Parameters
    ----------
    prefix
        What the installation puts before each topic's name.
    """

    def __init__(self, prefix: str = "") -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # series nobody asks for
        self.registry = registry = CollectorRegistry()
        self._types = {prefix + model.topic: name for name, model in EVENT_TYPES.items()}
        ProcessCollector(registry=registry)
        self.events = Counter(
            "bizops_stream_events",
            "Events handled, by type and by what became of them",
            ("type", "outcome"),
            registry=registry,
        )
        self.dead_letters = Counter(
            "bizops_stream_dead_letters",
            "Records that could not be stored, by the type of their topic and the reason",
            ("type", "reason"),
            registry=registry,
        )
        self.offset_gaps = Counter(
            "bizops_stream_offset_gaps",
            "Batches that did not start where the last one of their partition ended",
            ("type",),
            registry=registry,
        )
        self.batch_records = Histogram(
            "bizops_stream_batch_records",
            "Records a transaction",
            buckets=BATCH_BOUNDS_RECORDS,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "bizops_stream_batch_duration_seconds",
            "From a batch's first byte decoded to its commit, retries included",
            buckets=BATCH_BOUNDS_S,
            registry=registry,
        )
        self.visible_seconds = BatchHistogram(
            "bizops_stream_event_to_visible_seconds",
            "From Kafka's time of a record to the commit that showed it to readers",
            VISIBLE_BOUNDS_S,
        )
        registry.register(self.visible_seconds)
        self.last_commit = Gauge(
            "bizops_stream_last_commit_timestamp_seconds",
            "When a batch was committed last, in seconds since 1970; 0 before the first",
            registry=registry,
        )
        for name in EVENT_TYPES:  # so that the first one is an increase
            self.offset_gaps.labels(name)
            for outcome in (*OUTCOMES, "dead"):
                self.events.labels(name, outcome)

    def count(
        self, records: Sequence[Record], written: Written, *, took_s: float, committed_at: float
    ) -> None:
        """Count a batch that was committed.

        Parameters
        ----------
        records, written
            The batch, and what it came to.
        took_s
            Seconds from its start to its commit.
        committed_at
            Seconds since 1970.
        """
        for outcome in OUTCOMES:
            for event_type, count in getattr(written, outcome).items():
                self.events.labels(event_type, outcome).inc(count)
        for letter in written.letters:
            event_type = self.type_of(letter.record.topic)
            self.events.labels(event_type, "dead").inc()
            self.dead_letters.labels(event_type, letter.reason).inc()
        for topic, *_ in written.gaps:
            self.offset_gaps.labels(self.type_of(topic)).inc()
        self.batch_records.observe(len(records))
        self.batch_seconds.observe(took_s)
        self.visible_seconds.observe_all([committed_at - record.timestamp for record in records])
        self.last_commit.set(committed_at)

    def type_of(self, topic: str) -> str:
        """The type of event a topic is for."""
        return self._types.get(topic, "unknown")

"""What is counted of a batch, and how it is served."""

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from bizops.errors import ServiceError
from streams.metrics import VISIBLE_BOUNDS_S, BatchHistogram, Metrics
from streams.probes import serve
from streams.records import DeadLetter, Record, Written


@given(
    st.lists(
        st.lists(st.sampled_from(VISIBLE_BOUNDS_S) | st.floats(-1, 5000), max_size=30), max_size=4
    )
)
def test_a_batch_at_once_is_the_same_as_one_by_one(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    fast = BatchHistogram("seconds", "How long", VISIBLE_BOUNDS_S)
    ours.register(fast)
    slow = Histogram("seconds", "How long", buckets=VISIBLE_BOUNDS_S, registry=theirs)
    for batch in batches:
        fast.observe_all(batch)
        for value in batch:
            slow.observe(max(0.0, value))
    for name in ("seconds_bucket", "seconds_count", "seconds_sum"):
        for bound in [*map(repr, VISIBLE_BOUNDS_S), "+Inf"]:
            labels = {"le": bound} if name == "seconds_bucket" else {}
            expected = theirs.get_sample_value(name, labels)
            assert ours.get_sample_value(name, labels) == pytest.approx(expected)


def record(offset: int, topic: str = "x-touches") -> Record:
    return Record(topic, 0, offset, 1000.0, b"k", b"a person's secret")


def test_counts_what_became_of_a_batch() -> None:
    metrics = Metrics("x-")
    written = Written(
        stored=Counter(touch=2),
        repeated=Counter(touch=1),
        dead=Counter(invalid_json=1),
        letters=[DeadLetter(record(3), "invalid_json", "no JSON", "t3")],
        gaps=[("x-touches", 0, 1, 3)],
    )
    metrics.count([record(n) for n in range(4)], written, took_s=0.03, committed_at=1000.15)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"bizops_stream_{name}", labels)

    assert value("events_total", type="touch", outcome="stored") == 2
    assert value("events_total", type="touch", outcome="repeated") == 1
    assert value("events_total", type="touch", outcome="dead") == 1
    assert value("events_total", type="revenue", outcome="stored") == 0, "so that one is a rise"
    assert value("dead_letters_total", type="touch", reason="invalid_json") == 1
    assert value("offset_gaps_total", type="touch") == 1
    assert value("batch_records_sum") == 4
    assert value("batch_duration_seconds_count") == 1
    assert value("event_to_visible_seconds_count") == 4
    assert value("event_to_visible_seconds_bucket", le="0.2") == 4
    assert value("event_to_visible_seconds_bucket", le="0.1") == 0
    assert value("last_commit_timestamp_seconds") == 1000.15
    assert b"secret" not in generate_latest(metrics.registry)


class Worker:
    def __init__(self) -> None:
        self.stuck: list[str] = []
        self.behind: list[str] = []

    def why_not_live(self) -> list[str]:
        return self.stuck

    def why_not_ready(self) -> list[str]:
        return self.stuck + self.behind


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def address(worker: Worker) -> Iterator[str]:
    server = serve(worker, Metrics().registry, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_probes_say_why(worker: Worker, address: str) -> None:
    assert get(f"{address}/live") == (200, '{"live":true,"reasons":[]}\n')
    worker.behind = ["PostgreSQL is away"]
    assert get(f"{address}/live")[0] == 200
    status, body = get(f"{address}/ready")
    assert (status, json.loads(body)) == (503, {"ready": False, "reasons": worker.behind})
    worker.stuck = ["the event loop hangs"]
    assert get(f"{address}/live")[0] == 503


def test_serves_metrics_of_the_process_too(address: str) -> None:
    status, body = get(f"{address}/metrics")
    assert status == 200
    assert 'bizops_stream_events_total{outcome="stored",type="touch"} 0.0' in body
    assert "process_resident_memory_bytes" in body
    assert "_created" not in body
    assert get(f"{address}/other")[0] == 404


def test_a_port_that_is_taken_is_said_so(worker: Worker, address: str) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(ServiceError, match=f"{port}.*BIZOPS_METRICS_PORT"):
        serve(worker, Metrics().registry, "127.0.0.1", port)

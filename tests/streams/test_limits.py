"""A partition of which too much cannot be stored stops its worker, before it is drained."""

import itertools
from collections.abc import Callable
from typing import Any

import orjson
import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer

from bizops.endpoints import Endpoints
from bizops.errors import ServiceError, UsageError
from bizops.settings import Settings
from streams.limits import WINDOW_RECORDS, DeadLetterLimit, Limits, Recent
from streams.pool import WorkerPool
from streams.records import Record
from streams.store import Store

Run = Callable[[str], list[tuple[Any, ...]]]


def touch(number: int, **more: Any) -> bytes:
    return orjson.dumps(
        {"type": "touch", "event_id": f"t{number}", "source": "test", "channel": "email",
         "occurred_at": "2026-03-01T10:00:00Z", "anonymous_id": f"a{number}"} | more
    )  # fmt: skip


def records(pattern: str, first: int = 0, partition: int = 0) -> list[Record]:
    """One record a letter: ``.`` an event, ``x`` none."""
    return [
        Record("touches", partition, offset, 1e9, b"k", touch(offset) if c == "." else b"{")
        for offset, c in enumerate(pattern, start=first)
    ]


def test_a_batch_past_the_run_is_not_stored_and_a_restart_drains_no_more(
    database_url: str, rows: Run
) -> None:
    def write_anew(records: list[Record]) -> None:
        connection = psycopg2.connect(database_url)
        try:
            Store(connection, limits=Limits(run=5, share=0)).write(records)
        finally:
            connection.close()

    write_anew(records("..xxx"))
    before = rows("select * from stream.progress"), rows("select * from stream.dead_letters")
    for size in (3, 20, 4):
        with pytest.raises(DeadLetterLimit, match=r"touches/0 .* more than 5 records in a row"):
            write_anew(records("x" * size, first=5))
    after = rows("select * from stream.progress"), rows("select * from stream.dead_letters")
    assert after == before
    # small batches are let through up to the limit, and no further, however often it starts
    for offset in (5, 6):
        write_anew(records("x", first=offset))
    for _ in range(3):
        with pytest.raises(DeadLetterLimit):
            write_anew(records("x", first=7))
    assert rows("select next_offset, dead_run from stream.progress") == [(7, 5)]
    # after the release is mended
    mended = [Record("touches", 0, 7, 1e9, b"k", touch(7))]
    write_anew(mended)
    assert rows("select next_offset, dead_run from stream.progress") == [(8, 0)]


def test_records_read_again_are_not_counted_again(connection: Any, rows: Run) -> None:
    store = Store(connection, limits=Limits(run=5, share=0))
    for _ in range(3):
        store.write(records("..xxx"))
    assert rows("select dead_run, recent_records, recent_dead from stream.progress") == [(3, 5, 0)]
    store.write(records("xxxx", first=3))
    assert rows("select dead_run, recent_records from stream.progress") == [(5, 7)]


def test_partitions_are_counted_apart(connection: Any) -> None:
    store = Store(connection, limits=Limits(run=5))
    store.write(records("xxxxx") + records("xxxxx", partition=1))
    with pytest.raises(DeadLetterLimit, match="touches/1"):
        store.write(records("....", first=5) + records("x", first=5, partition=1))


def test_a_few_bad_records_at_the_start_are_no_bad_release(connection: Any, rows: Run) -> None:
    store = Store(connection, limits=Limits(run=200, share=0.2))
    store.write(records("x.xx" * 40))
    assert rows("select count(*) from stream.dead_letters") == [(120,)]


def test_a_great_share_stops_where_no_run_is_long(connection: Any) -> None:
    store = Store(connection, limits=Limits(run=200, share=0.2))
    store.write(records("." * 900))
    with pytest.raises(DeadLetterLimit, match=r"25% of its latest 1,220 records, more than 20%"):
        store.write(records("x" * 150 + "." * 20 + "x" * 150, first=900))


def test_a_refused_row_is_still_found_among_records_that_count(connection: Any, rows: Run) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("alter table stream.touches add check (anonymous_id <> 'a7')")
    store = Store(connection, limits=Limits(run=3, share=0.5))
    store.write(records("....xx" + "." * 30))
    assert rows("select kafka_offset from stream.dead_letters order by 1") == [(4,), (5,), (7,)]
    assert rows("select next_offset, dead_run, recent_records from stream.progress") == [
        (36, 0, 36)
    ]


@given(
    outcomes=st.lists(st.booleans(), max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=10),
    run=st.integers(1, 20),
)
def test_a_run_is_the_same_however_it_is_cut_into_batches(
    outcomes: list[bool], cuts: list[int], run: int
) -> None:
    dead = {offset: "r" for offset, is_dead in enumerate(outcomes) if is_dead}
    longest = max(map(len, "".join("x" if d else "." for d in outcomes).split(".")), default=0)
    recent, edges = Recent(), sorted({0, *cuts, len(outcomes)})
    found = [
        recent.add(range(a, min(b, len(outcomes))), dead, Limits(run, 0))
        for a, b in itertools.pairwise(edges)
    ]
    assert any(found) == (longest > run)
    assert recent.records == len(outcomes)


@given(batches=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=200))
def test_a_share_is_never_of_fewer_records_than_the_window(
    batches: list[tuple[int, int]],
) -> None:
    recent, seen = Recent(), 0
    for dead, good in batches:
        seen += dead + good
        exceeded = recent.add(range(dead + good), dict.fromkeys(range(dead), "r"), Limits(0, 0.5))
        assert 0 <= recent.dead <= recent.records <= WINDOW_RECORDS
        if exceeded:
            assert seen >= WINDOW_RECORDS


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RUN", "-1"), ("RUN", "many"), ("SHARE", "2"), ("SHARE", "nan"), ("SHARE", "x")],
)
def test_a_limit_that_makes_no_sense_is_said_so(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"BIZOPS_DEAD_LETTER_{variable}"):
        Settings.from_environment({f"BIZOPS_DEAD_LETTER_{variable}": value})


def test_the_worker_says_why_it_stopped_to_who_started_it(
    settings: Settings, services: Endpoints, rows: Run
) -> None:
    assert settings.database_url is not None
    pool = WorkerPool(settings, Endpoints(services.kafka, settings.database_url))
    try:
        pool.start()
        producer = KafkaProducer(bootstrap_servers=services.kafka.split(","), acks="all")
        for _ in range(300):
            producer.send(settings.topic("touches"), b'{"type":"tuch"}', key=b"k")
        producer.close()
        with pytest.raises(ServiceError, match=r"in a row .* unknown_type: ") as error:
            pool.run(until_caught_up=True)
        assert "ended by itself" not in str(error.value)
        assert [process.wait() for process in pool.processes] == [DeadLetterLimit.exit_code]
        assert rows("select count(*) <= 200 from stream.dead_letters") == [(True,)]
    finally:
        pool.stop()

"""Derived state rebuilt: the same where it was right, mended where it was not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import orjson
import psycopg2
import pytest

from bizops.errors import ServiceError
from bizops.simulation import simulate
from streams.records import Record
from streams.replay import Rebuilt, rebuild
from streams.shadow import DERIVED, Changes, ShadowCursor
from streams.store import Store

SEED, EVENTS, BATCH = 5, 6000, 500


@pytest.fixture(scope="module")
def records() -> list[Record]:
    events = simulate(seed=SEED).events[:EVENTS]
    return [
        Record(event.topic, 0, n, 1e9 + n, event.key.encode(), event.to_json())
        for n, event in enumerate(events)
    ]


def store_all(database_url: str, records: list[Record]) -> None:
    connection = psycopg2.connect(database_url)
    store = Store(connection)
    for start in range(0, len(records), BATCH):
        store.write(records[start : start + BATCH])
    connection.close()


@pytest.fixture
def stored(database_url: str, records: list[Record]) -> str:
    store_all(database_url, records)
    return database_url


def execute(database_url: str, *statements: str) -> None:
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def derived(database_url: str) -> dict[str, list[Any]]:
    """All rows of all derived tables, without when they changed."""
    connection = psycopg2.connect(database_url)
    state = {}
    with connection, connection.cursor() as cursor:
        for table in DERIVED:
            cursor.execute(f"select to_jsonb(t) from stream.{table.name} t")
            state[table.name] = sorted(
                orjson.dumps({k: v for k, v in row.items() if k not in table.stamps})
                for (row,) in cursor.fetchall()
            )
    connection.close()
    return state


def test_what_is_right_stays_as_it_is(stored: str) -> None:
    before = derived(stored)
    assert all(before.values()), "each derived table has rows here"
    told: list[tuple[str, int, int]] = []
    rebuilt = rebuild(stored, lambda *step: told.append(step))
    assert rebuilt.changes == {}
    assert rebuilt.events > EVENTS / 2
    assert derived(stored) == before
    assert [step for step in told if step[1] == step[2]], "progress comes to its end"


def test_an_empty_database_is_right(database_url: str) -> None:
    assert rebuild(database_url) == Rebuilt(0, {})


FAULTS: dict[str, tuple[list[str], dict[str, Changes]]] = {
    "links lost": (
        ["delete from stream.account_links"],
        {"account_links": ...},
    ),
    "edges lost": (
        ["delete from stream.identity_edges where ctid in "
         "(select ctid from stream.identity_edges limit 7)"],
        {"identity_edges": Changes(missing=7)},
    ),
    "all of identity lost": (
        ["truncate stream.identifiers, stream.identity_edges, stream.account_links"],
        {"identifiers": ..., "identity_edges": ..., "account_links": ...},
    ),
    "stray identifiers": (
        ["insert into stream.identifiers (id, kind, value, rank) "
         "select gen_random_uuid(), 'email', n || '@stray.test', 1 from generate_series(1, 3) n"],
        {"identifiers": Changes(stray=3)},
    ),
    "stray edges and links": (
        ["insert into stream.identifiers (id, kind, value, rank) "
         "values ('00000000-0000-0000-0000-000000000001', 'email', 'x', 1), "
         "('00000000-0000-0000-0000-000000000002', 'user_id', 'y', 3)",
         "insert into stream.identity_edges (lower_id, higher_id, first_at, event_id) "
         "values ('00000000-0000-0000-0000-000000000001', "
         "'00000000-0000-0000-0000-000000000002', now(), 'stray')",
         "update stream.identifiers set parent_id = '00000000-0000-0000-0000-000000000002' "
         "where value = 'x'",
         "insert into stream.account_links (identifier_id, account_id, strength, first_at, "
         "event_id) values ('00000000-0000-0000-0000-000000000001', 'stray', 2, now(), 'stray')"],
        {"identifiers": Changes(stray=2), "identity_edges": Changes(stray=1),
         "account_links": Changes(stray=1)},
    ),
    "wrong parents": (
        ["update stream.identifiers set parent_id = null where parent_id is not null"],
        {"identifiers": ...},
    ),
    "wrong times": (
        ["update stream.identity_edges set first_at = first_at - interval '1 day' "
         "where ctid in (select ctid from stream.identity_edges limit 5)"],
        {"identity_edges": Changes(wrong=5)},
    ),
    "wrong counts": (
        ["update stream.identifier_touches set touches = touches + 1 where ctid in "
         "(select ctid from stream.identifier_touches limit 4)",
         "delete from stream.account_touches where ctid in "
         "(select ctid from stream.account_touches limit 2)",
         "insert into stream.account_touches values ('stray', 'web', 1, now(), now())"],
        {"identifier_touches": Changes(wrong=4), "account_touches": Changes(missing=2, stray=1)},
    ),
    "all counts lost": (
        ["truncate stream.identifier_touches, stream.account_touches"],
        {"identifier_touches": ..., "account_touches": ...},
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_mended(stored: str, fault: str) -> None:
    before = derived(stored)
    statements, expected = FAULTS[fault]
    execute(stored, *statements)
    assert derived(stored) != before
    changes = rebuild(stored).changes
    assert derived(stored) == before
    assert changes.keys() == expected.keys()
    for table, found in changes.items():
        assert expected[table] in (..., found)
    assert rebuild(stored).changes == {}


def test_stored_while_it_is_built_is_in_the_result(
    database_url: str, template_database: str, records: list[Record]
) -> None:
    """A store writes all along; every event of it is counted and linked, once."""
    first, rest = records[: EVENTS // 2], records[EVENTS // 2 :]
    store_all(database_url, first)
    execute(
        database_url,
        "delete from stream.account_links",
        "update stream.identifier_touches set touches = 0",
        "insert into stream.account_touches values ('stray', 'web', 1, now(), now())",
    )
    begun = Event()
    writer = Thread(target=lambda: (begun.wait(), store_all(database_url, rest)))
    writer.start()
    rebuilt = rebuild(database_url, lambda *_: begun.set())
    writer.join()
    assert rebuilt.changes
    expected = scratch(database_url, template_database, records)
    assert derived(database_url) == expected
    assert rebuild(database_url).changes == {}


def scratch(database_url: str, template: str, records: list[Record]) -> dict[str, list[Any]]:
    """The derived state of a database that was never wrong."""
    name = f"{database_url.rsplit('/', 1)[1]}_scratch"
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'create database "{name}" template "{template}"')
    other = f"{database_url.rsplit('/', 1)[0]}/{name}"
    try:
        store_all(other, records)
        return derived(other)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'drop database "{name}" with (force)')
        connection.close()


def test_readers_see_the_old_state_or_the_new(stored: str) -> None:
    before = derived(stored)
    execute(
        stored,
        "delete from stream.identifiers",
        "delete from stream.identity_edges",
        "delete from stream.identifier_touches",
    )
    broken = derived(stored)
    seen = []
    done = Event()

    def read() -> None:
        connection = psycopg2.connect(stored)
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        while not done.is_set():
            with connection, connection.cursor() as cursor:
                counts = []
                for table in DERIVED:
                    cursor.execute(f"select count(*) from stream.{table.name}")
                    counts.append(cursor.fetchall()[0][0])
            seen.append(tuple(counts))
        connection.close()

    reader = Thread(target=read)
    reader.start()
    rebuild(stored)
    done.set()
    reader.join()
    states = [tuple(len(rows) for rows in state.values()) for state in (broken, before)]
    assert set(seen) <= set(states)
    assert seen[0] == states[0]
    assert derived(stored) == before


def test_one_at_a_time(stored: str) -> None:
    refused = []

    def another(*_: Any) -> None:
        if not refused:
            with pytest.raises(ServiceError, match="another replay"):
                rebuild(stored)
            refused.append(True)

    rebuild(stored, another)
    assert refused


def test_a_shadow_takes_text_only(database_url: str) -> None:
    connection = psycopg2.connect(database_url)
    with connection.cursor(cursor_factory=ShadowCursor) as cursor, pytest.raises(TypeError):
        cursor.execute(b"insert into stream.identifiers values (%s)")
    connection.close()


@pytest.fixture
def replaying(stored: str) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts replays in processes of their own."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        code = "import sys; from streams.replay import rebuild; rebuild(sys.argv[1])"
        started.append(subprocess.Popen([sys.executable, "-c", code, stored]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "blocking",
    [
        "lock table stream.identities in access exclusive mode",  # it stops in the building
        "select pg_advisory_xact_lock_shared(7202616)",  # it stops before the mending
        "lock table stream.account_touches in share mode",  # it stops in the middle of the mending
    ],
    ids=["building", "before mending", "mending"],
)
def test_killed_anywhere_it_leaves_the_old_state(
    stored: str, replaying: Any, blocking: str
) -> None:
    before = derived(stored)
    execute(
        stored,
        "delete from stream.identity_edges where ctid in "
        "(select ctid from stream.identity_edges limit 7)",
        "update stream.account_touches set touches = 0",
    )
    broken = derived(stored)
    blocker = psycopg2.connect(stored)
    blocker.cursor().execute(blocking)
    process = replaying()
    waiting = (
        "select count(*) from pg_stat_activity where application_name = 'bizops-replay' "
        "and datname = current_database() and wait_event_type = 'Lock'"
    )
    looking = psycopg2.connect(stored)
    looking.autocommit = True
    wait_for(looking, waiting, 1)
    os.kill(process.pid, signal.SIGKILL)
    wait_for(
        looking,
        "select count(*) from pg_stat_activity where application_name = 'bizops-replay' "
        "and datname = current_database()",
        0,
    )
    blocker.rollback()
    assert derived(stored) == broken
    assert rebuild(stored).changes
    assert derived(stored) == before
    blocker.close()
    looking.close()


def wait_for(connection: Any, query: str, number: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.fetchall() == [(number,)]:
                return
        time.sleep(0.05)
    raise AssertionError(f"not {number} within {seconds} s: {query}")

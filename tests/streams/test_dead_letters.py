"""Dead letters as a person handles them: listed, shown, retried after an upgrade, dropped."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import psycopg2
import pytest
from typer.testing import CliRunner

from bizops.cli import app
from bizops.errors import UsageError
from bizops.settings import Settings
from streams import records as records_module
from streams.records import Record
from streams.store import Store

TOUCH = {
    "type": "touch", "event_id": "t1", "source": "test", "occurred_at": "2026-03-01T10:00:00Z",
    "channel": "email", "lead_id": "L1",
}  # fmt: skip
NEWER = orjson.dumps(TOUCH | {"schema_version": 9})
BROKEN = b'{"type":"touch", "event_id": "caf\xc3\xa9"'


@pytest.fixture
def write(database_url: str) -> Any:
    connection = psycopg2.connect(database_url)
    store = Store(connection)

    def write(*payloads: bytes, first: int = 0) -> list[Record]:
        records = [
            Record("touches", 0, offset, 1.7e9 + offset + 0.123, b"lead_id:L1", payload)
            for offset, payload in enumerate(payloads, start=first)
        ]
        store.write(records)
        return records

    yield write
    connection.close()


@pytest.fixture
def rows(database_url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    def fetch(query: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(database_url)
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            found = list(cursor.fetchall())
        connection.close()
        return found

    return fetch


@pytest.fixture
def bizops(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", str(settings.database_url))

    def run(*arguments: str, answer: str | None = None) -> Any:
        return CliRunner().invoke(app, ["dead-letters", *arguments], input=answer)

    return run


@pytest.fixture
def upgraded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that knows version 9 of a touch."""
    parse = records_module.parse_event
    monkeypatch.setattr(
        records_module,
        "parse_event",
        lambda raw: parse(raw.replace(b'"schema_version":9', b'"schema_version":1')),
    )


def places(bizops: Any, *filters: str) -> list[str]:
    letters = json.loads(bizops("list", *filters, "--format", "json").stdout)
    return [f"{d['topic']}/{d['partition']}/{d['offset']}" for d in letters]


def test_listed_by_reason_topic_and_time(write: Any, bizops: Any) -> None:
    write(NEWER, BROKEN, b"[]")
    assert len(bizops().stdout.splitlines()) == 5
    assert places(bizops) == ["touches/0/2", "touches/0/1", "touches/0/0"]
    assert places(bizops, "--reason", "invalid_json") == ["touches/0/1"]
    assert places(bizops, "--topic", "revenue") == []
    assert places(bizops, "--since", "2023-11-14T22:13:21") == ["touches/0/2", "touches/0/1"]
    assert places(bizops, "--limit", "1") == ["touches/0/2"]


def test_shown_whole_and_raw(write: Any, bizops: Any) -> None:
    write(NEWER, BROKEN)
    shown = bizops("show", "touches/0/0").stdout
    assert '  "schema_version": 9' in shown
    assert "upgrade bizops" in shown
    assert "lead_id:L1" in shown
    assert bizops("show", "touches/0/1", "--raw").stdout_bytes == BROKEN
    assert isinstance(bizops("show", "touches/0/7").exception, UsageError)
    assert isinstance(bizops("show", "nowhere").exception, UsageError)


def test_after_an_upgrade_they_become_rows_and_the_rest_stays_with_why(
    write: Any, bizops: Any, rows: Any, upgraded: None
) -> None:
    write(b"{", first=8)
    _as_dead(rows, write, NEWER)
    progress = rows("select * from stream.progress")
    done = bizops("retry", "--all")
    assert "retried 2 dead letters: 1 are events now, 1 are still dead" in done.stdout
    assert rows("select event_id, lead_id from stream.touches") == [("t1", "L1")]
    assert rows("select count(*) from stream.account_links") == [(0,)]
    assert rows("select value from stream.identifiers") == [("L1",)]
    assert places(bizops) == ["touches/0/8"]
    assert "retried 1" in bizops("retry", "--all").stdout
    assert rows("select * from stream.progress") == progress


def _as_dead(rows: Any, write: Any, payload: bytes) -> None:
    """Keep a payload as a version that doesn't know it would have."""
    write(b"[]", first=20)
    quoted = payload.hex()
    rows(
        f"update stream.dead_letters set payload = '\\x{quoted}', reason = 'unknown_version' "
        "where kafka_offset = 20 returning 1"
    )


def test_the_reason_is_brought_up_to_date(write: Any, bizops: Any, rows: Any) -> None:
    write(b"[]", orjson.dumps(TOUCH))
    conflict = orjson.dumps(TOUCH | {"channel": "web"}).hex()
    rows(f"update stream.dead_letters set payload = '\\x{conflict}' returning 1")
    assert "conflicting_content: 1" in bizops("retry", "touches/0/0").stdout
    assert rows("select reason, event_id from stream.dead_letters") == [
        ("conflicting_content", "t1")
    ]


def test_a_row_refused_on_retry_costs_no_other(write: Any, bizops: Any, rows: Any) -> None:
    write(*[b"[]"] * 6)
    for n in range(6):
        payload = orjson.dumps(TOUCH | {"event_id": f"t{n}"}).hex()
        rows(
            f"update stream.dead_letters set payload = '\\x{payload}' where kafka_offset = {n} "
            "returning 1"
        )
    rows("alter table stream.touches add check (event_id <> 't3'); select 1")
    assert "5 are events now, 1 are still dead" in bizops("retry", "--all").stdout
    assert rows("select kafka_offset, reason from stream.dead_letters") == [
        (3, "refused_by_database")
    ]


def test_dropped_for_good_even_if_kafka_is_read_again(write: Any, bizops: Any, rows: Any) -> None:
    write(NEWER, BROKEN, b"[]")
    refused = bizops("drop", "--reason", "invalid_json", answer="n\n")
    assert refused.exit_code == 1
    assert len(places(bizops)) == 3
    assert "dropped 1 dead" in bizops("drop", "--reason", "invalid_json", answer="y\n").stdout
    assert "dropped 0 dead" in bizops("drop", "--reason", "invalid_json", "--yes").stdout
    write(NEWER, BROKEN, b"[]")
    assert places(bizops) == ["touches/0/2", "touches/0/0"]
    assert rows(
        "select payload, message_key, reason from stream.dead_letters where kafka_offset = 1"
    ) == [(None, None, "invalid_json")]


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_nothing_is_done_to_all_without_being_told(write: Any, bizops: Any, command: str) -> None:
    write(b"[]")
    assert isinstance(bizops(command).exception, UsageError)
    assert isinstance(bizops(command, "touches/9/9").exception, UsageError)
    assert places(bizops) == ["touches/0/0"]


def test_one_dropped_meanwhile_is_not_retried(write: Any, rows: Any, database_url: str) -> None:
    (record,) = write(b"[]")
    rows("update stream.dead_letters set dropped_at = now() returning 1")
    connection = psycopg2.connect(database_url)
    mended = Record(
        record.topic, record.partition, record.offset, record.timestamp, None, orjson.dumps(TOUCH)
    )
    assert not Store(connection).retry([mended]).stored
    connection.close()
    assert rows("select count(*) from stream.touches") == [(0,)]

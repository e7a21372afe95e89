"""Given an event_id, a person finds the event wherever it is."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from bizops.cli import app
from bizops.events import EVENT_TYPES
from streams.records import Record
from streams.store import Store
from streams.trace import trace_event
from tests.every_type import EVENTS


def test_an_event_of_every_type_is_found(connection: Any) -> None:
    values = {name: (name, orjson.dumps(event)) for name, event in EVENTS.items()}
    records = [
        Record(EVENT_TYPES[name].topic, 0, offset, 1_780_000_000, b"k", value)
        for offset, (name, (_, value)) in enumerate(values.items())
    ]
    written = Store(connection).write(records)
    assert not written.letters
    for name, (event_id, _) in values.items():
        (place,) = trace_event(connection, event_id)
        assert (place.state, place.type) == ("stored", name)
        assert place.received_at == datetime.fromtimestamp(1_780_000_000, UTC)
        assert place.occurred_at is not None


def test_a_dead_letter_is_found_by_the_id_it_calls_itself(connection: Any) -> None:
    value = b'{"type":"touch","event_id":"t9","source":"test"}'
    Store(connection).write([Record("touches", 2, 7, 1_780_000_000, b"k", value)])
    (place,) = trace_event(connection, "t9")
    assert place.state == "dead letter"
    assert (place.topic, place.partition, place.offset) == ("touches", 2, 7)
    assert place.reason == "missing_field"


@pytest.mark.parametrize(
    "value",
    [
        b'{"event_id":5}',
        b'{"event_id":"a\\u0000b"}',
        b'{"event_id":"%s"}' % (b"x" * 201),
        b"[]",
        b"{",
    ],
)
def test_what_cannot_be_an_id_is_none(connection: Any, value: bytes) -> None:
    written = Store(connection).write([Record("touches", 0, 0, 0.0, b"k", value)])
    assert [letter.event_id for letter in written.letters] == [None]


def test_the_command_prints_it(database_url: str, connection: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("BIZOPS_DATABASE_URL", database_url)
    value = b'{"type":"touch","event_id":"t9","source":"test"}'
    Store(connection).write([Record("touches", 2, 7, 1_780_000_000, b"k", value)])
    done = CliRunner().invoke(app, ["trace", "t9", "--format", "json"])
    (place,) = json.loads(done.stdout)
    assert (place["state"], place["reason"], place["offset"]) == ("dead letter", "missing_field", 7)
    done = CliRunner().invoke(app, ["trace", "t9"])
    assert "dead letter: missing_field" in done.stdout
    done = CliRunner().invoke(app, ["trace", "t8"])
    assert "neither stored nor a dead letter" in str(done.exception)

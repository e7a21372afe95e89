"""Two versions of one event type beside each other: read alike, and the same event."""

import json
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizops.errors import EventError
from bizops.events import EVENT_TYPES, build_event, json_schema, parse_event
from bizops.versions import UPCASTERS
from streams.records import Accepted, DeadLetter, Record, decode
from streams.store import Store
from warehouse.schema import downgrade, migrate

DEAL: dict[str, Any] = {
    "type": "opportunity", "event_id": "o1", "source": "crm", "occurred_on": "2026-03-01",
    "opportunity_id": "O1", "account_id": "acme", "stage": "Proposal",
}  # fmt: skip
OUTCOMES = [
    ({}, None),
    ({"is_closed": False}, "open"),
    ({"is_closed": False, "is_won": False}, "open"),
    ({"is_closed": True, "is_won": True}, "won"),
    ({"is_won": True}, "won"),
    ({"is_closed": True, "is_won": False}, "lost"),
    ({"is_closed": True}, None),
    ({"is_won": False}, None),
]


def raw(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize("version", [{"schema_version": 1}, {}], ids=["named", "unnamed"])
@pytest.mark.parametrize(("older", "outcome"), OUTCOMES)
def test_version_1_is_read_as_version_2(
    version: dict[str, Any], older: dict[str, Any], outcome: str | None
) -> None:
    event = parse_event(raw(DEAL | version | older))
    newest = DEAL | {"schema_version": 2} | ({"outcome": outcome} if outcome else {})
    assert event == parse_event(raw(newest)) == build_event(DEAL | version | older)
    assert event.schema_version == 2
    assert json.loads(event.to_json()) == newest


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"schema_version": 1, "is_closed": False, "is_won": True}, "contradiction", "is_closed"),
        ({"schema_version": 1, "is_won": "yes"}, "invalid_value", "'is_won': 'yes' is wrong"),
        ({"schema_version": 1, "stage": ""}, "invalid_value", "'stage'"),
        ({"schema_version": 2, "is_won": True}, "unknown_field", "is_won"),
        ({"is_won": True, "outcome": "lost"}, "unknown_field", "expected outcome alone"),
        ({"schema_version": 3}, "unknown_version", "3 is unknown; expected 1 or 2"),
        ({"schema_version": 3, "stage": None, "new": 1}, "unknown_version", "expected 1 or 2"),
        ({"schema_version": 0}, "unknown_version", "0 is unknown"),
        ({"schema_version": -1}, "unknown_version", "-1 is unknown"),
        ({"schema_version": "2"}, "unknown_version", "'2' is unknown"),
        ({"schema_version": True}, "unknown_version", "True is unknown"),
        ({"schema_version": None}, "unknown_version", "None is unknown"),
        ({"schema_version": [1]}, "unknown_version", "[1] is unknown"),
        ({"type": "touch", "schema_version": 2}, "unknown_version", "2 is unknown; expected 1"),
    ],
)
def test_what_no_version_allows_is_said(change: dict[str, Any], reason: str, says: str) -> None:
    for read in (lambda fields: parse_event(raw(fields)), build_event):
        with pytest.raises(EventError) as refused:
            read(DEAL | change)
        assert refused.value.reason == reason
        assert says in str(refused.value)


def test_upcasting_leaves_the_fields_it_was_given_alone() -> None:
    fields = DEAL | {"is_won": True}
    build_event(fields)
    assert fields == DEAL | {"is_won": True}


def test_every_upcaster_leads_to_the_newest_version() -> None:
    for event_type, version in UPCASTERS:
        newest = EVENT_TYPES[event_type].model_fields["schema_version"].default
        assert all((event_type, step) in UPCASTERS for step in range(version, newest))
        description = json_schema(event_type)["properties"]["schema_version"]["description"]
        assert str(version) in description


def test_an_unknown_version_is_read_once_its_upcaster_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = Record("opportunities", 0, 7, 1.0, None, raw(DEAL | {"schema_version": 1}))
    with monkeypatch.context() as before_the_upgrade:
        before_the_upgrade.delitem(UPCASTERS, ("opportunity", 1))
        letter = decode(record)
        assert isinstance(letter, DeadLetter)
        assert letter.reason == "unknown_version"
    assert isinstance(decode(letter.record), Accepted)


@given(older=st.sampled_from([older for older, _ in OUTCOMES]), later=st.booleans())
def test_versions_of_one_event_have_one_hash(older: dict[str, Any], later: bool) -> None:
    first = parse_event(raw(DEAL | {"schema_version": 1} | older))
    assert parse_event(first.to_json()).content_hash() == first.content_hash()


def test_the_same_event_after_an_upgrade_is_no_conflict(database_url: str) -> None:
    """A row whose hash was taken of version 1 is the same event as version 2 of it."""
    connection = psycopg2.connect(database_url)
    store = Store(connection)

    def write(offset: int, fields: dict[str, Any]) -> Any:
        return store.write([Record("opportunities", 0, offset, 1e9 + offset, None, raw(fields))])

    won = DEAL | {"schema_version": 1, "is_closed": True, "is_won": True}
    assert write(0, won).stored == {"opportunity": 1}
    with connection, connection.cursor() as cursor:
        cursor.execute("update stream.opportunities set content_hash = 'of version 1'")
    for offset, same in enumerate(
        [won, DEAL | {"schema_version": 2, "outcome": "won"}, DEAL | {"outcome": "won"}], start=1
    ):
        written = write(offset, same)
        assert (written.repeated, written.dead) == ({"opportunity": 1}, {})
    other = write(9, DEAL | {"outcome": "lost"})
    assert (other.repeated.total(), other.dead) == (0, {"conflicting_content": 1})
    connection.close()


def test_rows_of_version_1_are_migrated_as_its_events_are_read(database_url: str) -> None:
    downgrade(database_url, "0005")
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        for number, (older, _) in enumerate([*OUTCOMES, ({"is_closed": False, "is_won": True}, 0)]):
            cursor.execute(
                "insert into stream.opportunities (event_id, source, received_at, content_hash, "
                "occurred_at, day_only, opportunity_id, account_id, stage, is_closed, is_won) "
                "values (%s, '', now(), '', now(), false, '', '', '', %s, %s)",
                (str(number), older.get("is_closed"), older.get("is_won")),
            )
    migrate(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("select outcome from stream.opportunities order by event_id")
        assert cursor.fetchall() == [*((outcome,) for _, outcome in OUTCOMES), (None,)]
    connection.close()

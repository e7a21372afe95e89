"""Everything stored of one person, as they may ask for it."""

from typing import Any

import orjson

from bizops.database import Connection, Cursor, load_queries
from bizops.events import EVENT_TYPES
from streams.erasure import naming_events, naming_letters
from streams.subject import Person, find_person
from streams.suppression import OF_ACCOUNTS, Identifier
from streams.tables import TABLES

__all__ = ["export_person"]

QUERIES = load_queries("streams", "export.sql")


def export_person(connection: Connection, asked: Identifier) -> dict[str, Any] | None:
    """Events, facts, accounts, dead letters and credit of a person; None if nothing is stored.

    Events are as they were published, in one form: the canonical one.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        person = find_person(cursor, asked)
        events = {kind: _events(cursor, kind, person) for kind in TABLES}
        letters = [_letter(row) for row in naming_letters(cursor, person)]
        if not person.known and not letters and not any(events.values()):
            return None
        ids = {"ids": list(person.ids)}
        touches = [event["event_id"] for event in events["touch"]]
        return {
            "person": {"kind": asked[0], "value": asked[1]},
            "identifiers": _rows(cursor, "identifiers", ids),
            "links": _rows(cursor, "links", ids),
            "decisions": _rows(cursor, "decisions", ids),
            "accounts": _rows(cursor, "accounts", ids),
            "events": {kind: found for kind, found in events.items() if found},
            "dead_letters": letters,
            "credit": _rows(cursor, "credit", {"touches": touches}),
            "lead_credit": _rows(cursor, "lead_credit", {"leads": person.by_kind["lead_id"]}),
        }


def _events(cursor: Cursor, event_type: str, person: Person) -> list[dict[str, Any]]:
    """Events of the person, or of an account by them; none that somebody else is named in."""
    return [
        _published(event_type, naming.row)
        for naming in naming_events(cursor, event_type, person)
        if naming.named and (event_type in OF_ACCOUNTS or not naming.stays)
    ]


def _published(event_type: str, row: dict[str, Any]) -> dict[str, Any]:
    """The event that a row was made of."""
    fields = {name: row[name] for name in ("event_id", "source", *TABLES[event_type].fields)}
    if TABLES[event_type].timed:
        moment = row["occurred_at"]
        fields |= {"occurred_on": moment.date()} if row["day_only"] else {"occurred_at": moment}
    known = {name: value for name, value in fields.items() if value is not None}
    event = EVENT_TYPES[event_type].model_validate({"type": event_type} | known)
    published: dict[str, Any] = orjson.loads(event.to_json())
    return published | {"received_at": row["received_at"].isoformat()}


def _letter(row: tuple[Any, ...]) -> dict[str, Any]:
    topic, partition, offset, received_at, detail, event_id, key, payload = row
    return {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "received_at": received_at.isoformat(),
        "detail": detail,
        "event_id": event_id,
        "key": key and bytes(key).decode(errors="backslashreplace"),
        "payload": payload and bytes(payload).decode(errors="backslashreplace"),
    }


def _rows(cursor: Cursor, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    cursor.execute(QUERIES[query], values)
    return [row[0] for row in cursor.fetchall()]

"""Late and out-of-order events land where they belong, and are told from what was seen before."""

import random
from typing import Any

import orjson
import psycopg2
import pytest

from bizops.events import EVENT_TYPES
from streams.records import Record
from streams.store import Store
from streams.summaries import read_summary
from streams.timelines import read_timeline


def event(what: str, number: int, day: int, **fields: Any) -> dict[str, Any]:
    return {"type": what, "event_id": f"{what}{number}", "source": "s",
            "occurred_at": f"2026-03-{day:02}T10:00:00Z"} | fields  # fmt: skip


EVENTS = [
    event("touch", 1, 1, channel="web", anonymous_id="cookie"),
    event("touch", 2, 3, channel="email", anonymous_id="cookie"),
    event("identity", 1, 4, anonymous_id="cookie", lead_id="L1", account_id="acme"),
    event("touch", 3, 5, channel="web", lead_id="L1"),
    event("touch", 4, 6, channel="web", account_id="acme"),
    event("opportunity", 1, 7, opportunity_id="O1", account_id="acme", stage="Open", lead_id="L1"),
    event("revenue", 1, 9, account_id="acme", kind="new", iacv="10.00", currency="EUR"),
    event("touch", 5, 12, channel="email", lead_id="L1"),
]


def write(database_url: str, events: list[dict[str, Any]], start: int = 0) -> None:
    connection = psycopg2.connect(database_url)
    store = Store(connection)
    for n, fields in enumerate(events, start):
        topic = EVENT_TYPES[fields["type"]].topic
        store.write([Record(topic, 0, n, 1e9 + n, None, orjson.dumps(fields))])
    connection.close()


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_arrival_gives_one_timeline_and_summary(database_url: str, seed: int) -> None:
    events = EVENTS[::-1] if seed == 0 else random.Random(seed).sample(EVENTS, len(EVENTS))
    write(database_url, events)
    connection = psycopg2.connect(database_url)
    entries = read_timeline(connection, "acme")
    summary = read_summary(connection, "acme")
    connection.close()
    assert [entry.event_id for entry in entries] == [
        fields["event_id"] for fields in EVENTS if fields["type"] != "identity"
    ]
    told = {c.channel: (c.touches, c.first_at.day, c.last_at.day) for c in summary.channels}
    assert told == {"web": (3, 1, 6), "email": (2, 3, 12)}
    assert summary.last_revenue_at is not None
    assert summary.last_revenue_at.day == 9


def test_what_came_late_is_told_from_what_was_seen(database_url: str) -> None:
    """By when it was stored: a late touch lies before all that a reader saw, and is new to it."""
    bolt = {"account_id": "bolt", "kind": "new", "iacv": "5.00", "currency": "EUR"}
    late = [
        event("touch", 90, 2, channel="web", anonymous_id="cookie"),
        event("revenue", 90, 2, **bolt),
    ]
    write(database_url, EVENTS)
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("select pg_current_snapshot()::text")
        ((seen,),) = cursor.fetchall()
    write(database_url, late + EVENTS, 100)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select r.account_id, t.event_id from stream.touches t "
            "join stream.resolved_touches r using (event_id) "
            "where stream.is_new(t.stored_in, %(seen)s::pg_snapshot) "
            "union all select account_id, event_id from stream.revenue "
            "where stream.is_new(stored_in, %(seen)s::pg_snapshot) order by 1",
            {"seen": seen},
        )
        assert cursor.fetchall() == [("acme", "touch90"), ("bolt", "revenue90")]
    entries = read_timeline(connection, "acme")
    connection.close()
    assert [entry.event_id for entry in entries][:3] == ["touch1", "touch90", "touch2"]

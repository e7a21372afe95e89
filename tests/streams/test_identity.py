"""Touches belong to accounts by all that is known, whatever the order of arrival."""

import itertools
from typing import Any

import orjson
import psycopg2
import pytest

from bizops.events import EVENT_TYPES
from streams.persons import find_identifier, read_person
from streams.records import Record
from streams.store import Store
from streams.timelines import read_timeline


def touch(number: int, **who: str) -> dict[str, Any]:
    moment = f"2026-03-01T10:{number:02}:00Z"
    return {"type": "touch", "event_id": f"t{number}", "source": "test", "channel": "web",
            "occurred_at": moment, **who}  # fmt: skip


def link(number: int, **who: str) -> dict[str, Any]:
    return {"type": "identity", "event_id": f"i{number}", "source": "test",
            "occurred_at": f"2026-03-02T10:{number:02}:00Z"} | who  # fmt: skip


def write(database_url: str, events: Any) -> dict[str, str | None]:
    """Store events one a batch; the account of each touch."""
    connection = psycopg2.connect(database_url)
    try:
        store = Store(connection)
        for offset, event in enumerate(events):
            topic = EVENT_TYPES[event["type"]].topic
            store.write([Record(topic, 0, offset, 1e9 + offset, None, orjson.dumps(event))])
        with connection, connection.cursor() as cursor:
            cursor.execute("select event_id, account_id from stream.resolved_touches")
            return dict(cursor.fetchall())
    finally:
        connection.close()


@pytest.fixture
def clean(database_url: str) -> Any:
    def write_clean(events: Any) -> dict[str, str | None]:
        with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
            cursor.execute(
                "truncate stream.touches, stream.identities, stream.account_links, "
                "stream.identity_edges, stream.identifiers, stream.progress, "
                "stream.identity_decisions, stream.opportunities, stream.accounts"
            )
        connection.close()
        return write(database_url, events)

    return write_clean


def test_a_late_link_brings_earlier_anonymous_touches(database_url: str) -> None:
    accounts = write(
        database_url,
        [
            touch(1, anonymous_id="cookie"),
            touch(2, email="Ada@Example.com"),
            link(1, anonymous_id="cookie", email="ada@example.com"),
            link(2, email="ada@example.com", lead_id="L1", account_id="acme"),
            touch(3, anonymous_id="stranger"),
        ],
    )
    assert accounts == {"t1": "acme", "t2": "acme", "t3": None}


def test_what_a_touch_itself_carries_is_a_link(database_url: str) -> None:
    accounts = write(
        database_url,
        [
            touch(1, anonymous_id="cookie"),
            touch(2, anonymous_id="cookie", lead_id="L1"),
            touch(3, lead_id="L1", account_id="acme"),
        ],
    )
    assert accounts == {"t1": "acme", "t2": "acme", "t3": "acme"}


def test_an_events_own_account_and_user_beat_what_its_device_is_known_for(
    database_url: str,
) -> None:
    accounts = write(
        database_url,
        [
            link(1, user_id="ada", account_id="acme"),
            link(2, user_id="bob", account_id="bolt"),
            link(3, anonymous_id="shared", user_id="ada", occurred_at="2026-02-01T10:00:00Z"),
            touch(1, anonymous_id="shared"),
            touch(2, anonymous_id="shared", user_id="bob"),
            touch(3, anonymous_id="shared", user_id="bob", account_id="third"),
        ],
    )
    assert accounts == {"t1": None, "t2": "bolt", "t3": "third"}  # two users: nobody's device


def test_a_stated_link_beats_a_carried_one(database_url: str) -> None:
    accounts = write(
        database_url,
        [
            touch(1, lead_id="L1", account_id="carried"),
            link(1, lead_id="L1", account_id="stated"),
            touch(2, lead_id="L1"),
        ],
    )
    assert accounts == {"t1": "carried", "t2": "stated"}


def test_any_order_of_arrival_gives_the_same_accounts(clean: Any) -> None:
    events = [
        touch(1, anonymous_id="cookie"),
        link(1, anonymous_id="cookie", email="a@x.com"),
        link(2, email="a@x.com", lead_id="L1"),
        link(3, lead_id="L1", account_id="acme"),
        touch(2, anonymous_id="cookie", user_id="u2", account_id="bolt"),
    ]
    results = {
        tuple(sorted(clean(order).items(), key=str)) for order in itertools.permutations(events)
    }
    assert len(results) == 1


def test_a_sign_up_leaves_earlier_touches_with_the_account(clean: Any, database_url: str) -> None:
    events = [
        link(1, email="ada@gmail.com", lead_id="L1", account_id="acme"),
        touch(1, anonymous_id="v", email="ada@gmail.com"),
        link(2, email="ada@gmail.com", user_id="u7"),
        touch(2, user_id="u7"),
    ]
    for order in itertools.permutations(events):
        assert clean(order) == {"t1": "acme", "t2": "acme"}
    connection = psycopg2.connect(database_url)
    entries = read_timeline(connection, "acme")
    with connection, connection.cursor() as cursor:
        person = read_person(cursor, find_identifier(cursor, "user:u7"))
    connection.close()
    assert [e.event_id for e in entries] == ["t1", "t2"]
    assert (person.account_id, person.rule) == (
        "acme", "nothing names one, others seen with the same identifiers agree",
    )  # fmt: skip
    # others who have another account, and a fact of the person's own
    other = link(3, email="ada@gmail.com", lead_id="L2", account_id="bolt")
    own = link(4, user_id="u7", account_id="coda")
    assert clean([*events, other]) == {"t1": None, "t2": None}
    assert clean([*events, other, own]) == {"t1": "coda", "t2": "coda"}


def test_timeline_shows_touches_and_revenue_in_order(database_url: str) -> None:
    deal = {"type": "revenue", "event_id": "r1", "source": "test", "occurred_on": "2026-03-05",
            "account_id": "acme", "kind": "new", "iacv": "1200.00", "currency": "EUR"}  # fmt: skip
    opened = {"type": "opportunity", "event_id": "o1", "source": "test", "account_id": "acme",
              "occurred_on": "2026-03-04", "opportunity_id": "O", "stage": "open"}  # fmt: skip
    write(
        database_url,
        [
            deal,
            link(1, anonymous_id="cookie", lead_id="L1", account_id="acme"),
            opened,
            touch(2, account_id="acme"),
            touch(1, anonymous_id="cookie"),
            touch(3, anonymous_id="other"),
        ],
    )
    connection = psycopg2.connect(database_url)
    entries = read_timeline(connection, "acme")
    unknown = read_timeline(connection, "nobody")
    connection.close()
    assert [(e.entry, e.event_id) for e in entries] == [
        ("touch", "t1"), ("touch", "t2"), ("opportunity", "o1"), ("revenue", "r1"),
    ]  # fmt: skip
    assert unknown == []

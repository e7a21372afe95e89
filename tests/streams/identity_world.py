"""Events about who is who, and what the database makes of them."""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg2

from bizops.events import EVENT_TYPES
from streams.records import Record
from streams.store import Store

TABLES = (
    "touches", "identities", "opportunities", "accounts", "revenue", "progress", "dead_letters",
    "account_links", "identity_edges", "identifiers", "identity_decisions",
)  # fmt: skip
DERIVED = {
    "touches": "select event_id, account_id, person_id::text from stream.resolved_touches",
    "identifiers": "select kind, value, parent_id::text, merged_into::text, shared_rank, domain "
    "from stream.identifiers",
    "edges": "select lower_id::text, higher_id::text, equal, first_at, event_id "
    "from stream.identity_edges",
    "links": "select identifier_id::text, account_id, strength, first_at, event_id "
    "from stream.account_links",
}

type Events = Sequence[dict[str, Any]]


def touch(number: int, **who: Any) -> dict[str, Any]:
    moment = f"2026-03-01T{10 + number // 60:02}:{number % 60:02}:00Z"
    return {"type": "touch", "event_id": f"t{number}", "source": "web", "channel": "web",
            "occurred_at": moment} | who  # fmt: skip


def link(number: int, **who: Any) -> dict[str, Any]:
    moment = f"2026-03-02T{10 + number // 60:02}:{number % 60:02}:00Z"
    return {"type": "identity", "event_id": f"i{number}", "source": "crm",
            "occurred_at": moment} | who  # fmt: skip


def account(number: int, account_id: str, domain: str, **more: Any) -> dict[str, Any]:
    return {"type": "account", "event_id": f"a{number}", "source": "crm", "account_id": account_id,
            "occurred_at": f"2026-01-01T10:{number:02}:00Z", "domain": domain} | more  # fmt: skip


def opportunity(number: int, name: str, **who: Any) -> dict[str, Any]:
    return {"type": "opportunity", "event_id": f"o{name}", "source": "crm", "opportunity_id": name,
            "occurred_at": f"2026-03-03T10:{number:02}:00Z", "stage": "open"} | who  # fmt: skip


def records(events: Iterable[dict[str, Any]]) -> list[Record]:
    return [
        Record(EVENT_TYPES[event["type"]].topic, 0, offset, 1e9, None, orjson.dumps(event))
        for offset, event in enumerate(events)
    ]


class Database:
    """One connection that writes and reads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg2.connect(url)
        self.store = Store(self.connection)

    def clear(self) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("; ".join(f"delete from stream.{table}" for table in TABLES))
            cursor.execute("update stream.identity_epoch set epoch = epoch + 1")

    def write(self, events: Iterable[dict[str, Any]], *, batch: int = 1) -> None:
        waiting = records(events)
        for first in range(0, len(waiting), batch):
            self.store.write(waiting[first : first + batch])

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return cursor.fetchall()

    def accounts(self) -> dict[str, str | None]:
        return dict(self.rows("select event_id, account_id from stream.resolved_touches"))

    def persons(self) -> list[set[str]]:
        """The identifiers of each person, as KIND:VALUE."""
        found: dict[str, set[str]] = {}
        for person, name in self.rows(
            "select p.person_id, i.kind || ':' || i.value from stream.identifiers i "
            "join stream.identifier_persons p on p.identifier_id = i.id"
        ):
            found.setdefault(person, set()).add(name)
        return list(found.values())

    def together(self, one: str, other: str) -> bool:
        return any({one, other} <= person for person in self.persons())

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that is derived, in an order of its own."""
        return {name: sorted(self.rows(query), key=str) for name, query in DERIVED.items()}


@contextmanager
def database(url: str) -> Iterator[Database]:
    found = Database(url)
    try:
        yield found
    finally:
        found.connection.close()


KINDS = {
    "anonymous_id": ["v1", "v2", "v3", "null"],
    "device_id": ["d1", "d2"],
    "email": ["a@acme.com", "b@bolt.com", "c@gmail.com"],
    "lead_id": ["L1", "L2", "L3"],
    "contact_id": ["C1", "C2"],
    "user_id": ["u1", "u2", "u3"],
}


def random_events(seed: int, count: int = 14) -> list[dict[str, Any]]:
    """Events in conflict: shared devices, several users, merges, corrected deals and domains."""
    draw = random.Random(seed)

    def some(least: int) -> dict[str, str]:
        kinds = draw.sample(sorted(KINDS), draw.randint(least, 3))
        return {kind: draw.choice(KINDS[kind]) for kind in kinds}

    events: list[dict[str, Any]] = []
    for number in range(count):
        sort = draw.choice(["touch"] * 4 + ["link"] * 5 + ["former"] * 2 + ["deal", "account"])
        owner = {"account_id": draw.choice(["acme", "bolt"])} if draw.random() < 0.3 else {}
        match sort:
            case "touch":
                events.append(touch(number, **some(1), **owner))
            case "link":
                events.append(link(number, **some(2), **owner))
            case "former":
                kind = draw.choice(["email", "lead_id", "contact_id", "user_id"])
                now, before = draw.sample(KINDS[kind], 2)
                events.append(link(number, **{kind: now, f"previous_{kind}": before}, **owner))
            case "deal":
                who = {"lead_id": draw.choice(KINDS["lead_id"])}
                where = {"account_id": draw.choice(["acme", "bolt", "coda"])}
                events.append(opportunity(number, draw.choice("PQ"), **who, **where))
            case "account":
                name = draw.choice(["acme", "bolt"])
                site = draw.choice(["https://www.acme.com/", "bolt.com"])
                events.append(account(number, name, site, event_id=f"a-{name}"))
    return events

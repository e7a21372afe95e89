"""Which row an event becomes, and what happens when its ``event_id`` is there already.

The columns of a table are the fields of its event, preceded by those that all tables share.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from operator import itemgetter

from bizops.events import EVENT_TYPES, PERSON_FIELDS, Account, AnyEvent, TimedEvent
from streams.guards import load_guards
from streams.records import Accepted

__all__ = [
    "RANKS",
    "SPEAK_OF_PEOPLE",
    "TABLES",
    "Table",
    "identifier_id",
    "known_identifiers",
    "strongest_identifier",
]

RANKS = {
    "anonymous_id": 0,
    "device_id": 1,
    "email": 2,
    "lead_id": 3,
    "contact_id": 4,
    "user_id": 5,
}
"""Kinds of identifier, from the weakest evidence of a person to the strongest."""

IS_STATE = frozenset(name for name, model in EVENT_TYPES.items() if model.corrected_by == "moment")
NOT_COLUMNS = frozenset(
    {"type", "schema_version", "event_id", "source", "occurred_at", "occurred_on"}
)


@dataclass(frozen=True)
class Table:
    """Where events of one type stand.

    Attributes
    ----------
    name
        In schema ``stream``.
    columns
        In the order of :meth:`row`.
    corrected_by
        Columns that put contents of one ``event_id`` in order: the greatest stands, an older one is
        superseded. Empty where another content is a conflict.
    """

    name: str
    columns: tuple[str, ...]
    corrected_by: tuple[str, ...]
    fields: tuple[str, ...]
    timed: bool
    extras: tuple[Callable[[Accepted], object], ...]

    def row(self, accepted: Accepted, content_hash: bytes) -> list[object]:
        """The row of one event, one value a column."""
        event, record = accepted.event, accepted.record
        row: list[object] = [event.event_id, event.source, record.received_at, content_hash]
        if self.timed:
            assert isinstance(event, TimedEvent)
            row += [event.moment, event.day_only]
        row += [extra(accepted) for extra in self.extras]
        row += self.values(event.__dict__)  # faster than an attribute each
        return row

    @cached_property
    def values(self) -> "itemgetter[tuple[object, ...]]":
        """Takes the values of :attr:`fields` out of an event's own dictionary."""
        return itemgetter(*self.fields)


@lru_cache(maxsize=200_000)
def identifier_id(kind: str, value: str) -> uuid.UUID:
    """The id of an identifier, made of what it is, so that every worker knows it."""
    return uuid.UUID(bytes=blake2b(f"{kind}\0{value}".encode(), digest_size=16).digest())


def known_identifiers(event: AnyEvent) -> list[tuple[str, str]]:
    """The ``(kind, value)`` pairs that do name a person, the weakest evidence first."""
    guards = load_guards()
    named = [pair for pair in event.identifiers if not guards.blocks(pair[1])]
    named.sort(key=lambda pair: RANKS[pair[0]])
    return named


def strongest_identifier(event: AnyEvent) -> uuid.UUID | None:
    """The id of the identifier that says most about who it was; None if it names no person."""
    named = known_identifiers(event)
    return identifier_id(*named[-1]) if named else None


def _table(event_type: str, model: type[AnyEvent]) -> Table:
    timed = issubclass(model, TimedEvent)
    fields = tuple(name for name in model.model_fields if name not in NOT_COLUMNS)
    extras: dict[str, Callable[[Accepted], object]] = {}
    if event_type in ("touch", "opportunity", "lead_status", "usage"):
        extras["identifier_id"] = lambda accepted: strongest_identifier(accepted.event)
    if event_type == "account":
        extras["web_domain"] = _web_domain
    if model.corrected_by == "arrival":
        extras["kafka_offset"] = lambda accepted: accepted.record.offset
    shared = ("event_id", "source", "received_at", "content_hash")
    times = ("occurred_at", "day_only") if timed else ()
    corrections = {"moment": ("occurred_at",), "arrival": ("received_at", "kafka_offset")}
    return Table(
        name=model.topic,
        columns=(*shared, *times, *extras, *fields),
        corrected_by=corrections.get(model.corrected_by or "", ()),
        fields=fields,
        timed=timed,
        extras=tuple(extras.values()),
    )


def _web_domain(accepted: Accepted) -> str | None:
    assert isinstance(accepted.event, Account)
    return load_guards().domain(accepted.event.domain)


TABLES = {name: _table(name, model) for name, model in EVENT_TYPES.items()}
"""The table of each type of event."""

SPEAK_OF_PEOPLE = tuple(
    name
    for name, table in TABLES.items()
    if set(table.fields) & set(PERSON_FIELDS) and not table.corrected_by
)
"""Types whose events are facts of identity: they name people, and no later state replaces them."""

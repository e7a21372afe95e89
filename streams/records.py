"""Kafka's records as the stream hands them on, and what becomes of those that are not events."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from bizops.errors import EventError
from bizops.events import EVENT_TYPES, AnyEvent, parse_event
from bizops.fields import MAX_ID_CHARACTERS

__all__ = ["Accepted", "DeadLetter", "Record", "Written", "decode"]


class Record(NamedTuple):
    """One Kafka record, undecoded.

    Attributes
    ----------
    topic, partition, offset
        Its place in Kafka.
    timestamp
        Seconds since 1970 that Kafka gave it.
    """

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None

    @property
    def received_at(self) -> datetime:
        """When Kafka took it, in UTC: the same however often it is read."""
        return datetime.fromtimestamp(self.timestamp, UTC)


class Accepted(NamedTuple):
    """A record that holds an event of the contract."""

    record: Record
    event: AnyEvent


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that cannot become a row, with the reason a person needs to mend it.

    ``kept`` is whether its bytes are; those that name a forgotten person are not.
    """

    record: Record
    reason: str
    detail: str
    event_id: str | None = None
    kept: bool = True


@dataclass
class Written:
    """What one batch came to.

    Attributes
    ----------
    stored, repeated, superseded
        Events by type that became or corrected a row, were there already, or came after a
        later state of the same record.
    suppressed
        Events by type that are not stored, because they name a person who was forgotten.
    dead
        Dead letters by reason.
    letters
        The dead letters themselves.
    gaps
        ``(topic, partition, expected offset, offset found)`` where a batch did not start where the
        last one ended.
    """

    stored: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    superseded: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    letters: list[DeadLetter] = field(default_factory=list)
    gaps: list[tuple[str, int, int, int]] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Count another batch in."""
        self.stored += other.stored
        self.repeated += other.repeated
        self.superseded += other.superseded
        self.suppressed += other.suppressed
        self.dead += other.dead
        self.letters += other.letters
        self.gaps += other.gaps


def decode(record: Record, prefix: str = "") -> Accepted | DeadLetter | None:
    """Read a record's event; None for a tombstone, which holds nothing.

    Parameters
    ----------
    record
        As it came from Kafka.
    prefix
        What the installation puts before each topic's name.
    """
    if record.value is None:
        return None
    try:
        event = parse_event(record.value)
    except EventError as error:
        return DeadLetter(record, error.reason, str(error), _event_id_in(record.value))
    topic = prefix + EVENT_TYPES[event.type].topic
    if topic != record.topic:
        return DeadLetter(
            record,
            "wrong_topic",
            f"{event.type} came on topic {record.topic}; expected {topic}",
            event.event_id,
        )
    return Accepted(record, event)


def _event_id_in(value: bytes) -> str | None:
    """What a broken event calls itself, so that a person who looks for it finds it."""
    try:
        content = orjson.loads(value)
    except ValueError:
        return None
    event_id = content.get("event_id") if isinstance(content, dict) else None
    if isinstance(event_id, str) and len(event_id) <= MAX_ID_CHARACTERS and "\0" not in event_id:
        return event_id
    return None

"""Kafka's records as the stream hands them on, and what becomes of those that are not events."""

from dataclasses import dataclass
from datetime import UTC, datetime

from bizops.errors import EventError
from bizops.events import EVENT_TYPES, AnyEvent, parse_event

__all__ = ["Accepted", "DeadLetter", "Record", "decode"]


@dataclass(frozen=True, slots=True)
class Record:
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


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that holds an event of the contract."""

    record: Record
    event: AnyEvent


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that cannot become a row, with the reason a person needs to mend it."""

    record: Record
    reason: str
    detail: str
    event_id: str | None = None


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
        return DeadLetter(record, error.reason, str(error))
    topic = prefix + EVENT_TYPES[event.type].topic
    if topic != record.topic:
        return DeadLetter(
            record,
            "wrong_topic",
            f"{event.type} came on topic {record.topic}; expected {topic}",
            event.event_id,
        )
    return Accepted(record, event)

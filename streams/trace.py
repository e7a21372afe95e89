"""Where one event is, by its `event_id`: a row, a dead letter, or not here."""

from dataclasses import dataclass
from datetime import datetime

from bizops.database import Connection, load_queries

__all__ = ["Place", "trace_event"]


@dataclass(frozen=True)
class Place:
    """One place where an event was found; None is what is not known of it there.

    Attributes
    ----------
    state
        ``stored`` or ``dead letter``.
    occurred_at, received_at, stored_at
        By the source, by Kafka, and by PostgreSQL where it keeps the times of commits.
    """

    state: str
    type: str | None
    occurred_at: datetime | None
    received_at: datetime
    stored_at: datetime | None
    topic: str | None
    partition: int | None
    offset: int | None
    reason: str | None
    detail: str | None


def trace_event(connection: Connection, event_id: str) -> list[Place]:
    """All places of an event, in the order in which Kafka received it; empty if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(load_queries("streams", "trace.sql")["trace"], {"event_id": event_id})
        return [Place(*row) for row in cursor.fetchall()]

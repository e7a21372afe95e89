"""Where one event is, by its `event_id`: a row, a dead letter, or not here."""

from dataclasses import dataclass
from datetime import datetime

from bizops.database import Connection, load_queries
from streams.tables import TABLES

__all__ = ["Place", "trace_event"]

FOUND = """
select '{type}' as type, {moment} as occurred_at, received_at, stored_in
from stream.{table} where event_id = %(event_id)s
"""


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
        query = load_queries("streams", "trace.sql")["trace"]
        cursor.execute(query.replace("{found}", _in_all_tables()), {"event_id": event_id})
        return [Place(*row) for row in cursor.fetchall()]


def _in_all_tables() -> str:
    found = []
    for event_type, table in TABLES.items():
        day = "date" if "date" in table.fields else "starts_on"
        moment = "occurred_at" if table.timed else f"{day}::timestamp at time zone 'UTC'"
        found.append(FOUND.format(type=event_type, table=table.name, moment=moment))
    return " union all ".join(found)

"""Events that could not be stored, as a person looks at them."""

from dataclasses import dataclass
from datetime import datetime

from bizops.database import Connection, load_queries

__all__ = ["StoredDeadLetter", "count_by_reason", "read_dead_letters"]


@dataclass(frozen=True)
class StoredDeadLetter:
    """One record that is not a row; ``payload`` is its bytes, shown as text where they are."""

    topic: str
    partition: int
    offset: int
    received_at: datetime
    reason: str
    detail: str
    event_id: str | None
    payload: str


def count_by_reason(connection: Connection) -> dict[str, int]:
    """How many dead letters each reason has, most first."""
    with connection.cursor() as cursor:
        cursor.execute(load_queries("streams")["count_dead_letters"])
        return dict(cursor.fetchall())


def read_dead_letters(connection: Connection, limit: int) -> list[StoredDeadLetter]:
    """The latest dead letters, at most ``limit``."""
    with connection.cursor() as cursor:
        cursor.execute(load_queries("streams")["latest_dead_letters"], (limit,))
        rows = cursor.fetchall()
    letters = []
    for *place, payload in rows:
        fields = [*place, bytes(payload or b"").decode(errors="backslashreplace")]
        letters.append(StoredDeadLetter(*fields))
    return letters

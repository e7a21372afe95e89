"""Dead letters: records that could not be stored, kept until a person retries or drops them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg2.extras import execute_values

from bizops.database import Connection, Cursor, load_queries
from bizops.errors import UsageError
from streams.records import DeadLetter, Record

__all__ = [
    "Filters",
    "StoredDeadLetter",
    "advice",
    "count_by_reason",
    "drop",
    "lock",
    "parse_place",
    "read_dead_letters",
    "save",
    "settle",
    "update",
]

QUERIES = load_queries("streams", "dead_letters.sql")

ADVICE = {
    "unknown_version": "upgrade bizops to a version that knows it, then retry",
    "conflicting_content": "the event_id is another event's, or the source changed what it sent: "
    "publish it under an event_id of its own, or drop it",
    "wrong_topic": "publish it to the topic of its type, then drop this one",
    "refused_by_database": "see what the database said; mend the event or the table, then retry",
}
OTHER_ADVICE = "mend it (show --raw writes its bytes), publish it again, then drop this one"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which dead letters are meant: those for which all that is given holds.

    ``prefix`` is what the installation puts before topics; ``topic`` may lack it.
    """

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    reason: str | None = None
    since: datetime | None = None
    prefix: str = ""


@dataclass(frozen=True)
class StoredDeadLetter:
    """One record that is not a row."""

    topic: str
    partition: int
    offset: int
    received_at: datetime
    reason: str
    detail: str
    event_id: str | None
    key: bytes | None
    payload: bytes

    @property
    def place(self) -> str:
        """Where it is in Kafka, as a person writes it."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def record(self) -> Record:
        """The record as Kafka gave it."""
        moment = self.received_at.timestamp()
        return Record(self.topic, self.partition, self.offset, moment, self.key, self.payload)

    def as_data(self) -> dict[str, Any]:
        """For JSON: bytes as text where they are text."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("key", "payload"):
            if fields[name] is not None:
                fields[name] = fields[name].decode(errors="backslashreplace")
        return fields

    def pretty_payload(self) -> str:
        """The payload to read: JSON indented, anything else as it is."""
        text = self.payload.decode(errors="backslashreplace")
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except ValueError:
            return text


def advice(reason: str) -> str:
    """What to do about dead letters of one reason."""
    return ADVICE.get(reason, OTHER_ADVICE)


def parse_place(text: str) -> tuple[str, int, int]:
    """A place such as ``touches/3/1234`` as topic, partition and offset."""
    topic, _, rest = text.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise UsageError(
            f"{text!r} is no place of a dead letter; expected TOPIC/PARTITION/OFFSET such as "
            "touches/3/1234, as `bizops dead-letters list` shows it"
        )
    return topic, int(partition), int(offset)


def count_by_reason(connection: Connection) -> dict[str, int]:
    """How many dead letters each reason has, most first."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["count_by_reason"])
        return dict(cursor.fetchall())


def read_dead_letters(
    connection: Connection, limit: int | None, filters: Filters | None = None
) -> list[StoredDeadLetter]:
    """The latest dead letters that are meant, at most ``limit``."""
    wanted = filters or Filters()
    values = {name: getattr(wanted, name) for name in Filters.__dataclass_fields__}
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["select"], values | {"limit": limit})
        rows = cursor.fetchall()
    letters = []
    for *shown, key, payload in rows:
        fields = [*shown, None if key is None else bytes(key), bytes(payload or b"")]
        letters.append(StoredDeadLetter(*fields))
    return letters


def drop(connection: Connection, letters: Sequence[StoredDeadLetter]) -> int:
    """Keep of each only that there was one and why; how many were not dropped before."""
    with connection, connection.cursor() as cursor:
        return _on_places(cursor, "drop", [letter.record for letter in letters])


def save(cursor: Cursor, letters: Iterable[DeadLetter]) -> None:
    """Keep what cannot become a row; of those that are not to be kept, only that there was one."""
    now = datetime.now(UTC)
    rows = sorted(
        (
            letter.record.topic,
            letter.record.partition,
            letter.record.offset,
            letter.record.received_at,
            letter.reason,
            letter.detail.replace("\0", "\\0"),
            letter.event_id,
            letter.record.key if letter.kept else None,
            letter.record.value if letter.kept else None,
            None if letter.kept else now,
        )
        for letter in letters
    )
    if rows:
        execute_values(cursor, QUERIES["save"], rows)


def lock(cursor: Cursor, records: Sequence[Record]) -> set[tuple[str, int, int]]:
    """Places of those that are still dead letters; nobody else changes them until commit."""
    found = execute_values(cursor, QUERIES["lock"], _keys(records), fetch=True)
    return {(topic, partition, offset) for topic, partition, offset, _ in found}


def settle(cursor: Cursor, records: Sequence[Record]) -> None:
    """Forget dead letters that are rows now."""
    _on_places(cursor, "settle", records)


def update(cursor: Cursor, letters: Sequence[DeadLetter]) -> None:
    """Bring the reason of those that are still dead letters up to date."""
    rows = [
        (*_key(letter.record), letter.reason, letter.detail.replace("\0", "\\0"),
         letter.event_id, letter.kept)
        for letter in letters
    ]  # fmt: skip
    if rows:
        execute_values(cursor, QUERIES["update"], rows, page_size=len(rows))


def _on_places(cursor: Cursor, query: str, records: Sequence[Record]) -> int:
    if not records:
        return 0
    keys = _keys(records)
    execute_values(cursor, QUERIES[query], keys, page_size=len(keys))
    return int(cursor.rowcount)


def _keys(records: Sequence[Record]) -> list[tuple[str, int, int, datetime]]:
    return [_key(record) for record in records]


def _key(record: Record) -> tuple[str, int, int, datetime]:
    return record.topic, record.partition, record.offset, record.received_at

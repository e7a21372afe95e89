"""How far each partition has been stored, kept in the transaction that stores it."""

from collections import Counter
from collections.abc import Sequence

from psycopg2.extras import execute_values

from bizops.database import Cursor, load_queries
from streams.limits import DeadLetterLimit, Limits, Recent
from streams.records import DeadLetter, Record, Written

__all__ = ["save_progress"]

QUERIES = load_queries("streams")

Partition = tuple[str, int]


def save_progress(
    cursor: Cursor,
    records: Sequence[Record],
    letters: Sequence[DeadLetter],
    limits: Limits,
    written: Written,
) -> None:
    """Note the offset after the last record of each partition, and any gap before the first.

    A partition is expected from 0 on: where Kafka kept only the end of it, that is told once.

    Raises
    ------
    DeadLetterLimit
        If a partition has more dead letters than it may: nothing of the batch must be stored.
    """
    offsets: dict[Partition, list[int]] = {}
    for record in records:
        offsets.setdefault((record.topic, record.partition), []).append(record.offset)
    dead: dict[Partition, dict[int, str]] = {}
    for letter in letters:
        place = letter.record
        dead.setdefault((place.topic, place.partition), {})[place.offset] = letter.reason
    stored = _read(cursor, sorted(offsets))
    rows = []
    for partition, found in sorted(offsets.items()):
        expected, recent = stored.get(partition, (None, Recent()))
        if found[0] > (expected or 0):
            written.gaps.append((*partition, expected or 0, found[0]))
        # counted once, however often it is read
        new = sorted({offset for offset in found if expected is None or offset >= expected})
        reasons = dead.get(partition, {})
        exceeded = recent.add(new, reasons, limits)
        if exceeded:
            raise DeadLetterLimit(_sentence(partition, found[0], exceeded, reasons))
        rows.append((*partition, found[-1] + 1, recent.run, recent.records, recent.dead))
    execute_values(cursor, QUERIES["save_progress"], rows)


def _read(cursor: Cursor, partitions: list[Partition]) -> dict[Partition, tuple[int, Recent]]:
    topics, numbers = zip(*partitions, strict=True)
    cursor.execute(QUERIES["read_progress"], (list(topics), list(numbers)))
    return {
        (topic, partition): (next_offset, Recent(run, records, dead))
        for topic, partition, next_offset, run, records, dead in cursor.fetchall()
    }


def _sentence(partition: Partition, offset: int, exceeded: str, reasons: dict[int, str]) -> str:
    counts = ", ".join(
        f"{reason}: {count:,}" for reason, count in Counter(reasons.values()).most_common()
    )
    return (
        f"too much of {partition[0]}/{partition[1]} cannot be stored: {exceeded}, in the batch "
        f"from offset {offset:,} with {counts}; nothing of that batch is stored or lost. Mend "
        "what publishes or reads it and start again, or set the limit higher (0: none)"
    )

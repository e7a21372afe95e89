"""The one transaction that writes: a batch of records becomes rows, or dead letters, or nothing.

Rows, dead letters, identity and the progress of each partition stand or fall together, so that a
batch read again, in whole or in part, changes nothing. Dead letters are kept here rather than in
a topic for the same reason: docs/decisions/0003.
"""

from collections.abc import Callable, Sequence

import psycopg2
from psycopg2 import sql

from bizops.database import Connection, Cursor, load_queries
from streams import dead_letters
from streams.event_rows import create_staging, insert_events
from streams.identity import collect_facts
from streams.identity_rows import create_identity_staging, mark_former, save_facts
from streams.known import Known
from streams.limits import Limits
from streams.progress import save_progress
from streams.records import Accepted, DeadLetter, Record, Written, decode
from streams.refusals import lies_in_a_row
from streams.suppression import Suppression
from streams.tables import IS_STATE

__all__ = ["Store"]

QUERIES = load_queries("streams")

FOR_LOOKUPS = "set random_page_cost = 1.1; set jit = off"
"""A batch is looked up in tables of any size: by index, and with plans that start at once.

For the same reason the staging tables are analyzed with one row in each: a page holds one row, say
their statistics from then on. PostgreSQL takes a table it knows nothing of for ten full pages, and
reads a large one whole rather than look up the three rows that there are.
"""


Place = tuple[str, int, int]
Choose = Callable[[Cursor, Sequence[Record]], Sequence[Record]]
"""Which of the records are still wanted, asked at the start of the transaction."""
Finish = Callable[[Cursor, Sequence[Record], Sequence[DeadLetter], Written], None]
"""What the transaction ends with, told the records and the dead letters among them."""


class Store:
    """Writes batches over one connection, which is its own.

    Parameters
    ----------
    connection
        To a migrated database; not in a transaction.
    prefix
        What the installation puts before each topic's name.
    limits
        How many dead letters a partition may have.
    find_key
        The key that suppressions are made with, or None where there is none.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str = "",
        *,
        limits: Limits | None = None,
        find_key: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        self.connection = connection
        self.prefix = prefix
        self.limits = limits or Limits()
        self.suppression = Suppression(find_key)
        self.known = Known()
        with connection, connection.cursor() as cursor:
            cursor.execute(FOR_LOOKUPS)
            create_staging(cursor)
            create_identity_staging(cursor)
            cursor.execute(QUERIES["staging_tables"])
            for (table,) in cursor.fetchall():
                cursor.execute(
                    sql.SQL("insert into {0} default values; analyze {0}").format(
                        sql.Identifier("pg_temp", table)
                    )
                )

    def write(self, records: Sequence[Record]) -> Written:
        """Store records in one transaction; a row the database refuses becomes a dead letter.

        Raises
        ------
        psycopg2.Error
            If the database is away or will not take any rows; nothing of the batch is stored then.
        DeadLetterLimit
            If a partition has more dead letters than it may; what is before stays stored.
        """
        return self._write(records, *self._decoded(records), self._finish)

    def retry(self, records: Sequence[Record]) -> Written:
        """Store again records that are dead letters, each as if it came now for the first time.

        Those that are rows now are dead letters no more; the others have the reason of now. Those
        that somebody dropped or retried meanwhile are left alone.
        """
        return self._write(records, *self._decoded(records), self._settle, self._still_dead)

    def _decoded(self, records: Sequence[Record]) -> tuple[list[Accepted], list[DeadLetter]]:
        decoded = [decode(record, self.prefix) for record in records]
        accepted = [item for item in decoded if isinstance(item, Accepted)]
        return accepted, [item for item in decoded if isinstance(item, DeadLetter)]

    def _write(
        self,
        records: Sequence[Record],
        accepted: Sequence[Accepted],
        dead: Sequence[DeadLetter],
        finish: Finish,
        choose: Choose | None = None,
    ) -> Written:
        """Store in one transaction, or in several halves where a row is refused."""
        self.known.drop()
        try:
            with self.connection, self.connection.cursor() as cursor:
                written = self._transact(cursor, records, accepted, dead, finish, choose)
        except (psycopg2.Error, ValueError) as error:
            if not lies_in_a_row(error):
                raise
            if len(records) < 2:
                if not accepted:
                    raise
                only = accepted[0]
                reason = f"the database refused the row: {_first_line(error)}"
                letter = DeadLetter(only.record, "refused_by_database", reason, only.event.event_id)
                return self._write(records, [], [letter], finish, choose)
        else:
            self.known.remember()
            return written
        written = Written()
        middle = len(records) // 2
        for half in (records[:middle], records[middle:]):
            places = {_place(record) for record in half}
            mine, lost = _within(places, accepted), _within(places, dead)
            written.add(self._write(half, mine, lost, finish, choose))
        return written

    def _transact(
        self,
        cursor: Cursor,
        records: Sequence[Record],
        accepted: Sequence[Accepted],
        dead: Sequence[DeadLetter],
        finish: Finish,
        choose: Choose | None,
    ) -> Written:
        written = Written()
        self.suppression.begin(cursor)
        if choose is not None:
            records = choose(cursor, records)
            places = {_place(record) for record in records}
            accepted, dead = _within(places, accepted), _within(places, dead)
        accepted = self.suppression.filter_events(accepted, written)
        letters = list(dead)
        by_type: dict[str, list[Accepted]] = {}
        for item in accepted:
            by_type.setdefault(item.event.type, []).append(item)
        for event_type in sorted(by_type):
            letters += insert_events(cursor, event_type, by_type[event_type], written)
        refused = {_place(letter.record) for letter in letters}
        standing = (item.event for item in accepted if _place(item.record) not in refused)
        save_facts(cursor, collect_facts(standing), self.known)
        if IS_STATE.intersection(by_type):
            mark_former(cursor)
        written.dead.update(letter.reason for letter in letters)
        letters = self.suppression.filter_letters(letters)
        written.letters += letters
        finish(cursor, records, letters, written)
        return written

    def _finish(
        self,
        cursor: Cursor,
        records: Sequence[Record],
        letters: Sequence[DeadLetter],
        written: Written,
    ) -> None:
        dead_letters.save(cursor, letters)
        save_progress(cursor, records, letters, self.limits, written)

    def _still_dead(self, cursor: Cursor, records: Sequence[Record]) -> Sequence[Record]:
        still = dead_letters.lock(cursor, records)
        return [record for record in records if _place(record) in still]

    def _settle(
        self,
        cursor: Cursor,
        records: Sequence[Record],
        letters: Sequence[DeadLetter],
        written: Written,
    ) -> None:
        again = {_place(letter.record) for letter in letters}
        dead_letters.settle(cursor, [r for r in records if _place(r) not in again])
        dead_letters.update(cursor, letters)


def _within[Item: (Accepted, DeadLetter)](places: set[Place], items: Sequence[Item]) -> list[Item]:
    return [item for item in items if _place(item.record) in places]


def _place(record: Record) -> Place:
    return record.topic, record.partition, record.offset


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

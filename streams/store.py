"""The one transaction that writes: a batch of records becomes rows, or dead letters, or nothing.

Rows, dead letters, identity and the progress of each partition stand or fall together, so that a
batch read again, in whole or in part, changes nothing. Dead letters are kept here rather than in
a topic for the same reason: docs/decisions/0003.
"""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psycopg2
from psycopg2.extras import execute_values

from bizops.database import Connection, Cursor, load_queries
from streams.identity import Facts, collect_facts
from streams.records import Accepted, DeadLetter, Record, decode
from streams.tables import RANKS, TABLES, Table, copy_text

__all__ = ["Store", "Written"]


MENDABLE = (psycopg2.DataError, psycopg2.IntegrityError, ValueError)
"""Errors that lie in a row rather than in the database: the row is found and set aside."""


@dataclass
class Written:
    """What one batch came to.

    Attributes
    ----------
    stored, repeated, superseded
        Events by type that became or corrected a row, were there already, or came after a
        later state of the same record.
    dead
        Dead letters by reason.
    gaps
        ``(topic, partition, expected offset, offset found)`` where a batch did not start where the
        last one ended.
    """

    stored: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    superseded: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[str, int, int, int]] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Count another batch in."""
        self.stored += other.stored
        self.repeated += other.repeated
        self.superseded += other.superseded
        self.dead += other.dead
        self.gaps += other.gaps


class Store:
    """Writes batches over one connection, which is its own.

    Parameters
    ----------
    connection
        To a migrated database; not in a transaction.
    prefix
        What the installation puts before each topic's name.
    """

    def __init__(self, connection: Connection, prefix: str = "") -> None:
        self.connection = connection
        self.prefix = prefix
        self.queries = load_queries("streams")
        with connection, connection.cursor() as cursor:
            cursor.execute(self.queries["staging"])
            for table in TABLES.values():
                cursor.execute(
                    f"create temporary table staging_{table.name} on commit delete rows as "
                    f"select {', '.join(table.columns)} from stream.{table.name} with no data"
                )

    def write(self, records: Sequence[Record]) -> Written:
        """Store records in one transaction; a row the database refuses becomes a dead letter.

        Raises
        ------
        psycopg2.Error
            If the database is away or will not take any rows; nothing of the batch is stored then.
        """
        decoded = [decode(record, self.prefix) for record in records]
        accepted = [item for item in decoded if isinstance(item, Accepted)]
        dead = [item for item in decoded if isinstance(item, DeadLetter)]
        return self._write(records, accepted, dead)

    def _write(
        self, records: Sequence[Record], accepted: Sequence[Accepted], dead: Sequence[DeadLetter]
    ) -> Written:
        """Store in one transaction, or in several halves where a row is refused."""
        try:
            with self.connection, self.connection.cursor() as cursor:
                return self._transact(cursor, records, accepted, dead)
        except MENDABLE as error:
            if len(records) == 1:
                if not accepted:
                    raise
                only = accepted[0]
                reason = f"the database refused the row: {_first_line(error)}"
                letter = DeadLetter(only.record, "refused_by_database", reason, only.event.event_id)
                return self._write(records, [], [letter])
        written = Written()
        middle = len(records) // 2
        for half in (records[:middle], records[middle:]):
            places = {(r.topic, r.partition, r.offset) for r in half}
            written.add(
                self._write(
                    half,
                    [item for item in accepted if _place(item.record) in places],
                    [item for item in dead if _place(item.record) in places],
                )
            )
        return written

    def _transact(
        self,
        cursor: Cursor,
        records: Sequence[Record],
        accepted: Sequence[Accepted],
        dead: Sequence[DeadLetter],
    ) -> Written:
        written = Written()
        letters = list(dead)
        by_type: dict[str, list[Accepted]] = {}
        for item in accepted:
            by_type.setdefault(item.event.type, []).append(item)
        for event_type in sorted(by_type):
            letters += self._insert(cursor, event_type, by_type[event_type], written)
        self._save_facts(cursor, collect_facts(item.event for item in accepted))
        self._save_dead_letters(cursor, letters)
        written.dead.update(letter.reason for letter in letters)
        self._save_progress(cursor, records, written)
        return written

    def _insert(
        self, cursor: Cursor, event_type: str, items: Iterable[Accepted], written: Written
    ) -> list[DeadLetter]:
        """Insert events of one type and return those that contradict a stored one.

        Copies of one event in a batch are one; other contents of the same ``event_id`` take
        turns, in the order of arrival, as they would in batches of their own.
        """
        table = TABLES[event_type]
        conflicts: list[DeadLetter] = []
        while items:
            turn: dict[str, tuple[Accepted, bytes]] = {}
            later: list[Accepted] = []
            for item in items:
                content = item.event.content_hash()
                known = turn.setdefault(item.event.event_id, (item, content))
                if known[1] != content:
                    later.append(item)
                elif known[0] is not item:
                    written.repeated[event_type] += 1
            stored = self._copy(cursor, table, turn.values())
            written.stored[event_type] += stored
            if stored < len(turn):
                differing = self._differing(cursor, table)
                for event_id, superseded in differing.items():
                    item = turn[event_id][0]
                    if superseded:
                        written.superseded[event_type] += 1
                    else:
                        detail = f"{event_type} {event_id!r} is stored already, with other content"
                        conflicts.append(
                            DeadLetter(item.record, "conflicting_content", detail, event_id)
                        )
                written.repeated[event_type] += len(turn) - stored - len(differing)
            items = later
            if later:
                cursor.execute(f"truncate staging_{table.name}")
        return conflicts

    def _copy(self, cursor: Cursor, table: Table, rows: Iterable[tuple[Accepted, bytes]]) -> int:
        """Bring rows into a table by way of staging; returns how many it took."""
        columns = ", ".join(table.columns)
        staged = [table.row(item, content) for item, content in rows]
        _copy_rows(cursor, f"staging_{table.name}", staged)
        action = "do nothing"
        if table.corrected_by:
            updates = ", ".join(f"{c} = excluded.{c}" for c in table.columns if c != "event_id")
            later = _later(table, "excluded", f"stream.{table.name}")
            action = f"do update set {updates} where {later}"
        cursor.execute(
            f"insert into stream.{table.name} ({columns}) "
            f"select {columns} from staging_{table.name} order by event_id "
            f"on conflict (event_id) {action}"
        )
        return cursor.rowcount

    def _differing(self, cursor: Cursor, table: Table) -> dict[str, bool]:
        """Staged ids whose stored content differs, with whether the stored one is simply later."""
        superseded = _later(table, "stored", "new") if table.corrected_by else "false"
        cursor.execute(
            f"select new.event_id, {superseded} from staging_{table.name} new "
            f"join stream.{table.name} stored using (event_id) "
            "where stored.content_hash <> new.content_hash"
        )
        return dict(cursor.fetchall())

    def _save_facts(self, cursor: Cursor, facts: Facts) -> None:
        """Add what the batch says of identity, and bring the parents it touches up to date."""
        if not facts.identifiers:
            return
        _copy_rows(
            cursor,
            "staging_identifier",
            [(id_, kind, value, RANKS[kind]) for id_, (kind, value) in facts.identifiers.items()],
        )
        cursor.execute(self.queries["add_identifiers"])
        if facts.edges:
            rows = [(*edge, link.first_at, link.last_at) for edge, link in facts.edges.items()]
            _copy_rows(cursor, "staging_edge", rows)
            for query in ("lock_identifiers", "add_edges", "set_parents"):
                cursor.execute(self.queries[query])
        if facts.accounts:
            links = [
                (*key, link.strength, link.first_at, link.last_at)
                for key, link in facts.accounts.items()
            ]
            _copy_rows(cursor, "staging_link", links)
            cursor.execute(self.queries["add_account_links"])

    def _save_dead_letters(self, cursor: Cursor, letters: Sequence[DeadLetter]) -> None:
        rows = sorted(
            (
                letter.record.topic,
                letter.record.partition,
                letter.record.offset,
                letter.record.received_at,
                letter.reason,
                letter.detail.replace("\0", "\\0"),
                letter.event_id,
                letter.record.key,
                letter.record.value,
            )
            for letter in letters
        )
        if rows:
            execute_values(cursor, self.queries["save_dead_letters"], rows)

    def _save_progress(self, cursor: Cursor, records: Sequence[Record], written: Written) -> None:
        first: dict[tuple[str, int], int] = {}
        last: dict[tuple[str, int], int] = {}
        for record in records:
            partition = (record.topic, record.partition)
            first.setdefault(partition, record.offset)
            last[partition] = record.offset
        cursor.execute(self.queries["next_offsets"], (sorted({topic for topic, _ in first}),))
        for topic, partition, expected in cursor.fetchall():
            found = first.get((topic, partition))
            if found is not None and found > expected:
                written.gaps.append((topic, partition, expected, found))
        rows = [(*partition, offset + 1) for partition, offset in sorted(last.items())]
        execute_values(cursor, self.queries["save_progress"], rows)


def _copy_rows(cursor: Cursor, table: str, rows: Sequence[Sequence[object]]) -> None:
    cursor.copy_expert(f"copy {table} from stdin", io.StringIO(copy_text(rows)))


def _later(table: Table, one: str, other: str) -> str:
    """SQL: whether one content of an event corrects another."""
    first, second = (", ".join(f"{side}.{c}" for c in table.corrected_by) for side in (one, other))
    return f"({first}) > ({second})"


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

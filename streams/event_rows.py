"""Events into their tables: each once, corrected by later states, never quietly contradicted."""

from collections.abc import Iterable

from bizops.database import Cursor
from bizops.events import Touch
from streams.copying import copy_rows
from streams.identity_rows import note_former
from streams.records import Accepted, DeadLetter, Written
from streams.summaries import insert_counted
from streams.tables import TABLES, Table

__all__ = ["create_staging", "insert_events"]


def create_staging(cursor: Cursor) -> None:
    """Make the temporary tables that events pass through; each commit empties them."""
    for table in TABLES.values():
        cursor.execute(
            f"create temporary table staging_{table.name} on commit delete rows as "
            f"select {', '.join(table.columns)} from stream.{table.name} with no data"
        )


def insert_events(
    cursor: Cursor, event_type: str, items: Iterable[Accepted], written: Written
) -> list[DeadLetter]:
    """Insert events of one type and return those that contradict a stored one.

    Copies of one event in a batch are one; other contents of the same ``event_id`` take
    turns, in the order of arrival, as they would in batches of their own.
    """
    table = TABLES[event_type]
    conflicts: list[DeadLetter] = []
    while items:
        turn, later = _take_turn(table, items)
        stored = _copy(cursor, table, ((same[0], content) for same, content in turn.values()))
        copies = sum(len(same) - 1 for same, _ in turn.values())
        written.stored[event_type] += stored
        if stored < len(turn):
            differing = _differing(cursor, table)
            for event_id, superseded in differing.items():
                same = turn[event_id][0]
                if superseded:
                    written.superseded[event_type] += 1
                else:
                    detail = f"{event_type} {event_id!r} is stored already, with other content"
                    conflicts += [
                        DeadLetter(item.record, "conflicting_content", detail, event_id)
                        for item in same
                    ]
                    copies -= len(same) - 1
            written.repeated[event_type] += len(turn) - stored - len(differing)
        written.repeated[event_type] += copies
        items = later
        if later:
            cursor.execute(f"truncate staging_{table.name}")
    return conflicts


def _take_turn(
    table: Table, items: Iterable[Accepted]
) -> tuple[dict[str, tuple[list[Accepted], bytes]], list[Accepted]]:
    """By id, the events up to the first with other content, and all others, for later turns.

    The first of equal events stands for them, or the last where a later arrival corrects.
    """
    turn: dict[str, tuple[list[Accepted], bytes]] = {}
    later: list[Accepted] = []
    waiting: set[str] = set()
    last_stands = "received_at" in table.corrected_by
    for item in items:
        event_id, content = item.event.event_id, item.event.content_hash()
        known = turn.get(event_id)
        if known is None:
            turn[event_id] = ([item], content)
        elif known[1] != content or event_id in waiting:
            later.append(item)
            waiting.add(event_id)
        elif last_stands:
            known[0].insert(0, item)
        else:
            known[0].append(item)
    return turn, later


def _copy(cursor: Cursor, table: Table, rows: Iterable[tuple[Accepted, bytes]]) -> int:
    """Bring rows into a table by way of staging; returns how many it took."""
    columns = ", ".join(table.columns)
    staged = [table.row(item, content) for item, content in rows]
    copy_rows(cursor, f"staging_{table.name}", staged)
    action = "do nothing"
    if table.corrected_by:
        changed = [c for c in (*table.columns, "stored_in") if c != "event_id"]
        updates = ", ".join(f"{c} = excluded.{c}" for c in changed)
        note_former(cursor, table.name)
        later = _later(table, "excluded", f"stream.{table.name}")
        action = f"do update set {updates} where {later}"
    insert = (
        f"insert into stream.{table.name} ({columns}) "
        f"select {columns} from staging_{table.name} order by event_id "
        f"on conflict (event_id) {action}"
    )
    if table.name == Touch.topic:
        return insert_counted(cursor, insert)
    cursor.execute(insert)
    return cursor.rowcount


def _differing(cursor: Cursor, table: Table) -> dict[str, bool]:
    """Staged ids whose stored content differs, with whether the stored one is simply later.

    The hash of a row tells the content as it was written when the row was; where it differs, the
    columns decide, so that an event is the same after its type has a newer version.
    """
    superseded = _later(table, "stored", "new") if table.corrected_by else "false"
    cursor.execute(
        f"select new.event_id, {superseded} from staging_{table.name} new "
        f"join stream.{table.name} stored using (event_id) "
        "where stored.content_hash <> new.content_hash "
        "and stored.content_hash <> '' "  # what named a forgotten person was taken out of it
        f"and ({_content(table, 'stored')}) is distinct from ({_content(table, 'new')})"
    )
    return dict(cursor.fetchall())


def _content(table: Table, side: str) -> str:
    """SQL: what an event says, without how and when it came."""
    said = {"source", "occurred_at", "day_only", *table.fields}
    return ", ".join(f"{side}.{name}" for name in table.columns if name in said)


def _later(table: Table, one: str, other: str) -> str:
    """SQL: whether one content of an event corrects another."""
    first, second = (", ".join(f"{side}.{c}" for c in table.corrected_by) for side in (one, other))
    return f"({first}) > ({second})"

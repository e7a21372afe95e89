"""Derived state built anew from the stored events, while the stream goes on.

The new state is built beside the old from one snapshot and compared with it. Where they differ,
the writers wait in place while the events stored meanwhile are added, and the difference is
mended in one transaction: readers see the old state or the new. docs/decisions/0007.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain

from psycopg2 import errors
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED, ISOLATION_LEVEL_REPEATABLE_READ

from bizops.database import Connection, Cursor, connect, load_queries
from bizops.errors import ServiceError
from bizops.events import EVENT_TYPES, FORMER_FIELDS, PERSON_FIELDS, AnyEvent
from streams.identity import collect_facts
from streams.identity_rows import create_identity_staging, refresh_all, save_facts
from streams.shadow import Changes, ShadowCursor, Shadows
from streams.summaries import count_stored
from streams.tables import SPEAK_OF_PEOPLE, TABLES

__all__ = ["Rebuilt", "rebuild"]

QUERIES = load_queries("streams", "replay.sql")
HOLD = load_queries("streams", "suppression.sql")["hold"]
CHUNK_ROWS = 20_000
ATTEMPTS = 5
NAMING = frozenset({"account_id", *PERSON_FIELDS, *FORMER_FIELDS})
OPERATORS = ("identity_decisions", "suppressions")
"""Tables of what operators decided, on which derived state depends too."""

Progress = Callable[[str, int, int], None]
"""Told the table that is read, how many of its events are, and how many there are."""


@dataclass
class Rebuilt:
    """What a replay came to.

    Attributes
    ----------
    events
        Events that were read, those stored meanwhile included.
    changes
        By table, rows that were not what they should have been; empty where nothing changed.
    """

    events: int = 0
    changes: dict[str, Changes] = field(default_factory=dict)


def rebuild(database_url: str, progress: Progress = lambda table, done, total: None) -> Rebuilt:
    """Bring all derived state to what follows from the stored events.

    May be killed at any moment: until the last transaction is committed nothing has changed, and
    what was built is gone with the connection.

    Raises
    ------
    ServiceError
        If another replay is under way, or operators decide faster than it can follow.
    """
    with closing(connect(database_url, application="bizops-replay")) as connection:
        with connection, connection.cursor() as cursor:
            try:
                cursor.execute(QUERIES["one_at_a_time"])
            except errors.LockNotAvailable:
                raise ServiceError("another replay is under way: wait for it to end") from None
        for _ in range(ATTEMPTS):
            replay = _Replay(connection, progress)
            if not replay.differs() or replay.mend():
                return replay.rebuilt
        raise ServiceError(
            f"operators changed who is who during each of {ATTEMPTS} attempts; nothing was "
            "changed: run the replay again when they are done"
        )


class _Replay:
    """One attempt."""

    def __init__(self, connection: Connection, progress: Progress) -> None:
        self.connection = connection
        self.progress = progress
        self.rebuilt = Rebuilt()
        self.seen = ""
        self.decided = ""

    def differs(self) -> bool:
        """Build the shadows from one snapshot, and say whether the tables differ from them."""
        self.connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(QUERIES["snapshot"])
            ((self.seen,),) = cursor.fetchall()
            self.decided = _decided(cursor)
            cursor.execute("discard temp")  # of an earlier attempt
            shadows = Shadows(cursor)
            shadows.create()
            create_identity_staging(cursor)
            self._derive(shadows, None)
            return bool(shadows.compare())

    def mend(self) -> bool:
        """Add what was stored meanwhile and mend; false if operators decided meanwhile."""
        self.connection.set_session(isolation_level=ISOLATION_LEVEL_READ_COMMITTED)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(HOLD)
            if _decided(cursor) != self.decided:
                return False
            shadows = Shadows(cursor)
            self._derive(shadows, self.seen)
            self.rebuilt.changes = shadows.compare()
            shadows.apply()
            cursor.execute(QUERIES["raise_epoch"])
        return True

    def _derive(self, shadows: Shadows, seen: str | None) -> None:
        """Derive into the shadows from events, all or those that a snapshot does not show."""
        with self.connection.cursor(cursor_factory=ShadowCursor) as cursor:
            count_stored(cursor, seen)
            chunks = chain.from_iterable(self._chunks(name, seen) for name in SPEAK_OF_PEOPLE)
            for number, chunk in enumerate(chunks, start=1):
                save_facts(cursor, collect_facts(chunk))
                _empty_staging(cursor)
                if number.bit_count() == 1:  # the planner has to know how they grow
                    shadows.analyze()
            if seen is None:  # decisions on what no event joins
                refresh_all(cursor)
                _empty_staging(cursor)

    def _chunks(self, event_type: str, seen: str | None) -> Iterator[list[AnyEvent]]:
        """The stored events of one type, of those that name the same people the first."""
        model, table = EVENT_TYPES[event_type], TABLES[event_type]
        names = [name for name in table.fields if name in NAMING]
        query = QUERIES["first_of_people"].format(table=table.name, names=", ".join(names))
        with self.connection.cursor() as cursor:
            cursor.execute(QUERIES["count_events"].format(table=table.name), {"seen": seen})
            ((total,),) = cursor.fetchall()
        done = 0
        self.progress(table.name, done, total)
        with self.connection.cursor(name="stored_events") as cursor:
            cursor.execute(query, {"seen": seen})
            while rows := cursor.fetchmany(CHUNK_ROWS):
                fields = ("event_id", "occurred_at", *names)
                yield [
                    model.model_construct(**dict(zip(fields, row, strict=True))) for _, *row in rows
                ]
                done += sum(row[0] for row in rows)
                self.progress(table.name, done, total)
        self.rebuilt.events += total


def _empty_staging(cursor: Cursor) -> None:
    cursor.execute(QUERIES["staging_tables"])
    names = [f"pg_temp.{name}" for (name,) in cursor.fetchall()]
    cursor.execute(f"truncate {', '.join(names)}")


def _decided(cursor: Cursor) -> str:
    """What tells whether operators have decided anything more."""
    told = []
    for table in OPERATORS:
        cursor.execute("select to_regclass(%s) is not null", (f"stream.{table}",))
        if cursor.fetchone() == (True,):
            cursor.execute(f"select count(*), sum(hashtext(t::text)) from stream.{table} t")
            told.append(cursor.fetchone())
    return str(told)

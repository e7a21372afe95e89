"""Derived tables built a second time, beside the first, and compared with them row by row.

A shadow is a temporary table: it is gone with its connection, however that ends.
"""

import re
from dataclasses import dataclass
from typing import Any

from bizops.database import Cursor, load_queries

__all__ = ["DERIVED", "DERIVED_VIEWS", "Changes", "Derived", "ShadowCursor", "Shadows"]

QUERIES = load_queries("streams", "replay.sql")


@dataclass(frozen=True)
class Derived:
    """A table of schema ``stream`` whose rows follow from stored events and operators' decisions.

    Attributes
    ----------
    name, key
        Of the table, and the columns that tell its rows apart.
    stamps
        Columns that say when a row changed rather than what it is.
    """

    name: str
    key: tuple[str, ...]
    stamps: tuple[str, ...] = ("changed_in",)


DERIVED = (
    Derived("identifiers", ("id",)),
    Derived("identity_edges", ("lower_id", "higher_id")),
    Derived("account_links", ("identifier_id", "account_id")),
    Derived("account_touches", ("account_id", "channel")),
    Derived("identifier_touches", ("identifier_id", "channel")),
)
"""What a replay rebuilds; a table stands after those that its foreign keys name."""

DERIVED_VIEWS = ("standing_edges",)
"""Views on derived tables through which these are computed."""

SHADOWED = re.compile(
    rf"\bstream\.({'|'.join([*(table.name for table in DERIVED), *DERIVED_VIEWS])})\b"
)


@dataclass
class Changes:
    """How the rows of one table differ from what they should be."""

    missing: int = 0
    stray: int = 0
    wrong: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.stray or self.wrong)


class ShadowCursor(Cursor):
    """A cursor to which each derived table is its shadow, so that the code that derives is one.

    It takes no advisory locks: nobody else sees a shadow, and writers must not wait for one.
    """

    def execute(self, query: Any, vars: Any = None) -> None:
        """Run SQL text; anything else could hold data in which a table's name means nothing."""
        if not isinstance(query, str):
            raise TypeError("a shadow takes SQL as text only")
        if "pg_advisory_xact_lock" in query:
            return
        super().execute(SHADOWED.sub(r"pg_temp.\1", query), vars)


class Shadows:
    """The shadows of one connection.

    Parameters
    ----------
    cursor
        An ordinary one: it sees both the shadows and the tables themselves.
    """

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.columns = {table.name: self._columns(table.name) for table in DERIVED}

    def create(self) -> None:
        """Make the shadows, empty."""
        for table in DERIVED:
            self.cursor.execute(
                f"create temporary table {table.name} "
                f"(like stream.{table.name} including defaults including indexes)"
            )
        for view in DERIVED_VIEWS:
            self.cursor.execute("select pg_get_viewdef(%s::regclass)", (f"stream.{view}",))
            ((definition,),) = self.cursor.fetchall()
            shadowed = SHADOWED.sub(r"pg_temp.\1", definition)
            self.cursor.execute(f"create temporary view {view} as {shadowed}")

    def analyze(self) -> None:
        """Tell the planner how large they are; nobody else does for a temporary table."""
        for table in DERIVED:
            self.cursor.execute(f"analyze pg_temp.{table.name}")

    def compare(self) -> dict[str, Changes]:
        """What would have to change in the tables, by name, for those where anything would."""
        found = {}
        for table in DERIVED:
            first = table.key[0]
            self.cursor.execute(
                f"select count(*) filter (where held.{first} is null), "
                f"count(*) filter (where shadow.{first} is null), "
                f"count(*) filter (where {self._differs(table)} "
                f"and held.{first} is not null and shadow.{first} is not null) "
                f"from stream.{table.name} held "
                f"full join pg_temp.{table.name} shadow using ({', '.join(table.key)})"
            )
            ((missing, stray, wrong),) = self.cursor.fetchall()
            found[table.name] = Changes(missing, stray, wrong)
        return {name: changes for name, changes in found.items() if changes}

    def apply(self) -> None:
        """Make the tables what the shadows are, touching those rows only that differ."""
        for table in DERIVED:
            self._update(table)
            columns = ", ".join(self._told(table))
            self.cursor.execute(
                f"insert into stream.{table.name} ({columns}) "
                f"select {columns} from pg_temp.{table.name} shadow where not exists "
                f"(select from stream.{table.name} held where {self._same(table)})"
            )
        for table in reversed(DERIVED):
            self.cursor.execute(
                f"delete from stream.{table.name} held where not exists "
                f"(select from pg_temp.{table.name} shadow where {self._same(table)})"
            )

    def _update(self, table: Derived) -> None:
        values = [f"{name} = shadow.{name}" for name in self._told(table) if name not in table.key]
        values += [
            f"{name} = stream.current_transaction()"
            for name in table.stamps
            if name in self.columns[table.name]
        ]
        self.cursor.execute(
            f"update stream.{table.name} held set {', '.join(values)} "
            f"from pg_temp.{table.name} shadow "
            f"where {self._same(table)} and {self._differs(table)}"
        )

    def _columns(self, name: str) -> list[str]:
        self.cursor.execute(QUERIES["columns"], (f"stream.{name}",))
        return [column for (column,) in self.cursor.fetchall()]

    def _told(self, table: Derived) -> list[str]:
        return [name for name in self.columns[table.name] if name not in table.stamps]

    def _same(self, table: Derived) -> str:
        return " and ".join(f"held.{name} = shadow.{name}" for name in table.key)

    def _differs(self, table: Derived) -> str:
        told = [name for name in self._told(table) if name not in table.key]
        sides = (", ".join(f"{side}.{name}" for name in told) for side in ("held", "shadow"))
        return "(({}) is distinct from ({}))".format(*sides)

"""Touches counted as they are stored, and what an account comes to by who belongs to it now.

Counts stand under the identifier a touch carries, or under the account it names. An account's
summary adds up those of its people as identity stands when it is read, so that a merge rewrites
nothing: docs/decisions/0007.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bizops.database import Connection, Cursor, load_queries

__all__ = [
    "AccountSummary",
    "ChannelSummary",
    "count_stored",
    "insert_counted",
    "read_summary",
    "recount",
]

QUERIES = load_queries("streams", "summaries.sql")
PEOPLE = load_queries("streams")["people"]


@dataclass(frozen=True)
class ChannelSummary:
    """An account's touches of one channel."""

    channel: str
    touches: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class AccountSummary:
    """What is known of an account, by who belongs to it now.

    Attributes
    ----------
    persons
        People who belong to it.
    channels
        Its touches, most first.
    iacv_won
        Sum of what raised its annual contract value, by currency.
    last_revenue_at
        Of its last change of contract value, or None.
    """

    persons: int
    channels: tuple[ChannelSummary, ...]
    iacv_won: dict[str, Decimal]
    last_revenue_at: datetime | None

    @property
    def touches(self) -> int:
        """Of all channels."""
        return sum(channel.touches for channel in self.channels)

    def sentences(self) -> list[str]:
        """The summary as a person reads it."""
        lines = [f"{_count(self.touches, 'touch', 'es')} of {_count(self.persons, 'person', 's')}"]
        if self.channels:
            first = min(channel.first_at for channel in self.channels)
            last = max(channel.last_at for channel in self.channels)
            by_channel = ", ".join(f"{c.channel} {c.touches:,}" for c in self.channels)
            lines[0] += f" from {first:%Y-%m-%d} to {last:%Y-%m-%d}: {by_channel}"
        if self.last_revenue_at is not None:
            won = ", ".join(f"{iacv:,} {currency}" for currency, iacv in self.iacv_won.items())
            lines.append(f"IACV won: {won}; last revenue {self.last_revenue_at:%Y-%m-%d}")
        return lines


def insert_counted(cursor: Cursor, insert: str) -> int:
    """Insert touches and count those that were not there yet; returns how many that is."""
    rows = f"with inserted as ({insert} returning account_id, identifier_id, channel, occurred_at)"
    cursor.execute(rows + QUERIES["count_inserted"])
    return _only(cursor)


def count_stored(cursor: Cursor, seen: str | None = None) -> int:
    """Count touches that are stored, or only those that a reader with that snapshot did not see."""
    cursor.execute(QUERIES["touches_since"] + QUERIES["count_inserted"], {"seen": seen})
    return _only(cursor)


def recount(cursor: Cursor, accounts: Sequence[str], identifiers: Iterable[UUID]) -> None:
    """Count anew what stands under these, after touches of theirs were removed or changed."""
    named = {"accounts": list(accounts), "identifiers": [str(id_) for id_ in identifiers]}
    cursor.execute(QUERIES["clear_counts"], named)
    cursor.execute(QUERIES["touches_of"] + QUERIES["count_inserted"], named)


def read_summary(connection: Connection, account_id: str) -> AccountSummary:
    """What one account comes to now; all is zero for one that is unknown."""
    who = {"account_id": account_id}
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE + QUERIES["channels"], who)
        channels = tuple(ChannelSummary(*row) for row in cursor.fetchall())
        cursor.execute(PEOPLE + QUERIES["persons"], who)
        persons = _only(cursor)
        cursor.execute(QUERIES["won"], who)
        won = cursor.fetchall()
    last = max((at for _, _, at in won), default=None)
    return AccountSummary(persons, channels, {name: iacv for name, iacv, _ in won}, last)


def _only(cursor: Cursor) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _count(number: int, word: str, plural: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else plural}"

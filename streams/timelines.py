"""An account's events in order, as all that is known now has them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bizops.database import Connection, load_queries

__all__ = ["Entry", "read_timeline"]


@dataclass(frozen=True)
class Entry:
    """One event of a timeline; ``occurred_at`` is the day's start where ``day_only``."""

    occurred_at: datetime
    day_only: bool
    entry: str
    kind: str
    channel: str | None
    campaign_id: str | None
    person: str | None
    iacv: Decimal | None
    currency: str | None
    event_id: str


def read_timeline(connection: Connection, account_id: str) -> list[Entry]:
    """Touches, revenue and deals of one account, earliest first; empty if none is known.

    A touch belongs to the account it names, else to the account of its person.
    """
    with connection.cursor() as cursor:
        queries = load_queries("streams")
        cursor.execute(queries["people"] + queries["timeline"], {"account_id": account_id})
        return [Entry(*row) for row in cursor.fetchall()]

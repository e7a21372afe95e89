"""Which conversions' credit is not what it would be now: found from what changed since the run."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bizops.database import Connection, load_queries
from bizops.errors import UsageError
from bizops.models import BAYESIAN

__all__ = ["QUERIES", "Published", "Stale", "ask", "count_stale", "find_published", "find_stale"]

QUERIES = load_queries("attribution", "stale.sql")


@dataclass(frozen=True)
class Published:
    """The run that reports read.

    Attributes
    ----------
    seen, seen_at
        The snapshot it read, as text, and when that was.
    rules
        Whose credit it holds.
    has_model
        Whether it kept a fitted model.
    """

    run_id: str
    seen: str
    seen_at: datetime
    lookback_days: float
    rules_only: bool
    rules: list[str]
    has_model: bool

    @property
    def models(self) -> list[str]:
        """Names of all that give credit in it."""
        return [*self.rules, *([] if self.rules_only else [BAYESIAN])]


@dataclass
class Stale:
    """What has to be restated.

    Attributes
    ----------
    conversions
        By id: the account.
    reasons
        Conversions by reason; one may have several.
    doubtful_leads
        Leads whose credit may be another.
    """

    conversions: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    doubtful_leads: list[str] = field(default_factory=list)


def find_published(connection: Connection) -> Published | None:
    """The published run; None if there is none.

    Raises
    ------
    UsageError
        If it was made before runs kept what restating needs.
    """
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["published"])
        row = cursor.fetchone()
    if row is None:
        return None
    if row[1] is None:
        raise UsageError(
            f"run {row[0]} is of a version that could not restate; `bizops attribute` makes one "
            "that can be restated"
        )
    return Published(*row)


def ask(
    connection: Connection, run: Published, name: str, **parameters: Any
) -> list[tuple[Any, ...]]:
    """The rows of a named query on a run; none of one that only writes."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES[name], {"run_id": run.run_id, "seen": run.seen} | parameters)
        return cursor.fetchall() if cursor.description else []


def count_stale(connection: Connection) -> tuple[str, int] | None:
    """The published run and how many conversions of it are stale, or None if it cannot be known."""
    try:
        run = find_published(connection)
    except UsageError:
        return None
    return (
        None
        if run is None
        else (run.run_id, len(find_stale(connection, run, leads=False).conversions))
    )


def find_stale(
    connection: Connection,
    run: Published,
    accounts: Collection[str] | None = None,
    *,
    leads: bool = True,
    every_lead: bool = False,
) -> Stale:
    """Compare the run's credit with the timelines, where anything was stored since its snapshot.

    Reads what changed, the credit of that, and the ids of all credited touches, to see whether
    each is still there; writes nothing.

    Parameters
    ----------
    accounts
        Only these, and all of their conversions, stale or not; None for all that are stale.
    leads
        Look for leads too.
    every_lead
        Doubt all leads, as after an erasure: their sums do not show that a touch is gone.
    """
    model = BAYESIAN if run.has_model else "linear"
    parameters = {
        "run_id": run.run_id,
        "seen": run.seen,
        "model": model,
        "lookback_days": None if run.has_model else run.lookback_days,
        "accounts": list(accounts or ()),
        "seen_at": run.seen_at,
        "w_shaped": "w_shaped" in run.rules,
        "every_lead": every_lead,
    }
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["changed_touches"] + QUERIES["stale_conversions"], parameters)
        found: Iterable[tuple[str, str, str]] = cursor.fetchall()
        stale = Stale()
        if leads:
            cursor.execute(QUERIES["changed_touches"] + QUERIES["doubtful_leads"], parameters)
            stale.doubtful_leads = [lead for (lead,) in cursor.fetchall()]
    for conversion, account, why in found:
        if accounts is None or account in accounts:
            stale.conversions[conversion] = account
            stale.reasons[why] = stale.reasons.get(why, 0) + 1
    return stale

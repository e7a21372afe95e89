"""One account found by what people call it, and what is shared by questions about one account."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any

import numpy as np

from attribution.customers import ask
from attribution.kept import Kept, load_kept
from attribution.runs import Run, published_run
from bizops.database import Connection
from bizops.errors import UsageError
from bizops.intervals import interval

__all__ = [
    "Prices",
    "as_interval",
    "choose_currency",
    "find_account",
    "find_model",
    "load_prices",
    "nearest",
]


def find_account(connection: Connection, text: str) -> str:
    """The account with that id, or else with that name or domain.

    Raises
    ------
    UsageError
        If there is none, with what may have been meant, or if several are called so.
    """
    who = {"text": text}
    if ask(connection, "is_account", who)[0][0]:
        return text
    found = [account for (account,) in ask(connection, "accounts_called", who)]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise UsageError(
            f"{len(found)} accounts are called {text!r}; expected an account_id: "
            f"{', '.join(map(repr, found[:5]))}"
        )
    called = [name for (name,) in ask(connection, "accounts_like", who)]
    raise UsageError(f"no account {text!r} is known{nearest(text, called)}")


def nearest(text: str, names: Iterable[str]) -> str:
    """What may have been meant, to put after what was not found; nothing where no name is near.

    >>> nearest("acne", ["bolt", "Acme"])
    " (nearest: 'Acme')"
    >>> nearest("acme-1", ["acme-21", "acme-12", "acme-31"])
    " (nearest: 'acme-12')"
    >>> nearest("zzz", ["bolt"])
    ''
    """
    by_lower = {name.lower(): name for name in names}
    asked = text[:200].lower()
    begun = sorted(name for name in by_lower if asked and name.startswith(asked))
    close = begun[:3] or get_close_matches(asked, by_lower, n=3)
    return f" (nearest: {', '.join(repr(by_lower[name]) for name in close)})" if close else ""


def find_model(connection: Connection) -> tuple[Run, Kept | None]:
    """The published run and its model; no model where there was nothing to fit.

    Raises
    ------
    UsageError
        If no run is published, or it is of rules only.
    """
    run = published_run(connection)
    if run is None:
        raise UsageError("nothing has been attributed yet: run `bizops attribute`")
    if run.settings.get("rules_only"):
        raise UsageError(f"run {run.run_id} is of rules only: run `bizops attribute` for a model")
    return run, load_kept(connection, run.run_id)


def choose_currency(connection: Connection, currency: str | None) -> str | None:
    """The currency asked for, or the only one there is; None where there are no amounts.

    Raises
    ------
    UsageError
        If there are several and none is asked for, or none in the one asked for.
    """
    found = [name for (name,) in ask(connection, "currencies", {})]
    if currency is not None and found and currency not in found:
        raise UsageError(f"no amounts in {currency!r}; there are {', '.join(found)}")
    if currency is None and len(found) > 1:
        raise UsageError(
            f"amounts are in {', '.join(found)}, which don't add up: choose one with --currency"
        )
    return currency or (found[0] if found else None)


@dataclass(frozen=True)
class Prices:
    """What touches cost.

    Attributes
    ----------
    months
        By channel, campaign and month: spend, None where none was recorded, and touches.
    """

    months: dict[tuple[str, str, date], tuple[float | None, int]]

    def of_touch(self, channel: str, campaign_id: str, at: datetime) -> float | None:
        """Its campaign's spend in its month, divided by its campaign's touches in that month."""
        month = at.astimezone(UTC).date().replace(day=1)
        spend, touches = self.months.get((channel, campaign_id, month), (None, 0))
        return None if spend is None or not touches else spend / touches

    def of_next(self, channel: str, campaign_id: str | None, at: datetime) -> float | None:
        """The same of the twelve months up to one, those with spend, by campaign or channel."""
        last = at.astimezone(UTC).date().replace(day=1)
        first = last.replace(year=last.year - 1)
        spent, touched = 0.0, 0
        for (of, campaign, month), (spend, touches) in self.months.items():
            asked = of == channel and campaign_id in (None, campaign)
            if asked and first < month <= last and spend is not None:
                spent, touched = spent + spend, touched + touches
        return spent / touched if touched else None


def load_prices(connection: Connection, channels: Iterable[str], currency: str | None) -> Prices:
    """Read what touches of some channels cost, in one currency; it reads all their touches."""
    rows = ask(connection, "prices", {"channels": sorted(channels), "currency": currency})
    return Prices(
        {(channel, campaign, month): (spend, n) for channel, campaign, month, n, spend in rows}
    )


def as_interval(draws: np.ndarray[Any, Any] | None) -> dict[str, float] | None:
    """Mean and 90 % interval of draws, shape ``(draw,)``, as JSON; None stays so."""
    if draws is None:
        return None
    ends = interval(draws)
    return dict(zip(ends._fields, map(float, ends), strict=True))

"""What customers are worth by what acquired them, from the published run."""

from typing import Any

import numpy as np

from attribution.acquired import Causes, Worth, draw_causes, worth_by
from attribution.customers import Customers, load_customers
from attribution.one_account import choose_currency
from attribution.runs import published_run
from bizops.database import Connection
from bizops.errors import UsageError
from bizops.intervals import Interval

__all__ = ["BY", "customers_worth"]

BY = ("channel", "campaign", "segment")
SEGMENT_DRAWS = 250


def customers_worth(
    connection: Connection,
    by: str,
    *,
    margin: float | None = None,
    currency: str | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Retention, expansion and LTV of customers by the channel or campaign that acquired them.

    Parameters
    ----------
    by
        One of :data:`BY`; of a segment no cause is drawn, it is known.
    margin
        Share of IACV left after the cost of serving it; LTV needs it.
    currency
        Of the amounts, where there are several.

    Returns
    -------
    One object a group, those that acquired most first; what cannot be known is None.

    Raises
    ------
    UsageError
        If no run with a model is published, or ``by`` or the currency is none there is.
    """
    if by not in BY:
        raise UsageError(f"no --by {by!r}; have {', '.join(BY)}")
    run = published_run(connection)
    if run is None:
        raise UsageError("nothing has been attributed yet: run `bizops attribute`")
    if by != "segment" and run.settings.get("rules_only"):
        raise UsageError(f"run {run.run_id} is of rules only: run `bizops attribute` for a model")
    currency = choose_currency(connection, currency)
    until = run.data_until or run.started_at
    customers = load_customers(connection, run.run_id, until, currency)
    random = np.random.default_rng(seed)
    if by == "segment":
        causes = _segments(customers)
    else:
        causes = draw_causes(connection, run.run_id, customers, random)
        causes = causes.by(channel_only=by == "channel")
    return [
        _keys(by, worth) | _figures(worth) | {"currency": currency, "run_id": run.run_id}
        for worth in worth_by(customers, causes, margin, random)
    ]


def _segments(customers: Customers) -> Causes:
    names, number = np.unique(customers.segment.astype(str), return_inverse=True)
    of_customer = np.tile(number.astype(np.int32), (SEGMENT_DRAWS, 1))
    return Causes(tuple((str(name), "") for name in names), of_customer)


def _keys(by: str, worth: Worth) -> dict[str, str]:
    if by == "campaign":
        return dict(zip(("channel", "campaign_id"), worth.place, strict=True))
    return {by: worth.place[0]}


def _figures(worth: Worth) -> dict[str, Any]:
    figures = vars(worth).items()
    return {name: _plain(value) for name, value in figures if name != "place"}


def _plain(ends: Interval | None) -> dict[str, float] | None:
    return None if ends is None else dict(zip(ends._fields, map(float, ends), strict=True))

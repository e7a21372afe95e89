"""What a run credits in all, by campaign and channel, with intervals where there are draws."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.credit import BASELINE, Credit, DrawCredit
from attribution.journeys import Journeys, Units
from attribution.stale import Published, ask
from bizops.arrays import decode_arrays
from bizops.database import Connection
from bizops.intervals import interval
from bizops.models import BAYESIAN

__all__ = ["TotalRow", "total_draws", "total_up_again", "totals"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BATCH = 4_000_000
TotalRow = tuple[str | float, ...]
"""The columns of ``attribution.credit_totals`` from ``dimension`` on."""


def totals(journeys: Journeys, credit: Credit) -> Iterator[TotalRow]:
    """Sums of a rule's credit, whose intervals have no width."""
    conversions, unit = journeys.conversions, credit.unit(journeys.touches.unit)
    shares = DrawCredit(credit.conversion, unit, credit.share[:, None])
    yield from _totals(conversions.currency, conversions.amounts, journeys.units, shares)


def total_draws(journeys: Journeys, credit: DrawCredit) -> Iterator[TotalRow]:
    """Sums of the model's credit, draw by draw, with 90 % intervals."""
    conversions = journeys.conversions
    yield from _totals(conversions.currency, conversions.amounts, journeys.units, credit)


def total_up_again(
    connection: Connection, run: Published, channels: Collection[str]
) -> Iterator[tuple[str, Iterator[TotalRow]]]:
    """Take the sums of some channels away and give them anew, model by model."""
    where: dict[str, Any] = {"channels": sorted(channels)}
    ask(connection, run, "delete_totals", models=run.models, **where)
    ask(connection, run, "total_rules", models=run.rules, **where)
    if not run.rules_only:
        for channel in where["channels"]:
            yield BAYESIAN, _of_channel(connection, run, channel)


def _of_channel(connection: Connection, run: Published, channel: str) -> Iterator[TotalRow]:
    """Sums of what a channel is credited by the model: one channel at a time in memory."""
    rows = ask(connection, run, "draws_of_channel", channel=channel)
    if not rows:
        return iter(())
    currency, amounts, campaigns, shares = zip(*rows, strict=True)
    names = [] if channel == BASELINE else sorted({*campaigns})
    number: dict[str, int] = {name: place for place, name in enumerate(names)}
    unit = np.array([number.get(name, -1) for name in campaigns])
    draws: Any = decode_arrays(list(shares))
    credit = DrawCredit(np.arange(len(rows)), unit, draws)
    units = tuple((channel, name) for name in names)
    return _totals(np.array(currency, dtype=object), np.array(amounts), units, credit)


def _totals(
    currency: NDArray[np.object_], amounts: FloatArray, units: Units, credit: DrawCredit
) -> Iterator[TotalRow]:
    currencies, money = np.unique(currency.astype(str), return_inverse=True)
    channels = sorted({channel for channel, _ in units})
    of_unit = np.array([channels.index(channel) for channel, _ in units] + [-1])
    campaigns = np.append(np.arange(len(units)), -1)
    places = {
        "campaign": (campaigns, [*units, (BASELINE, BASELINE)]),
        "channel": (of_unit, [*((name, "") for name in channels), (BASELINE, "")]),
    }
    for dimension, (place, names) in places.items():
        keys = np.stack((money[credit.conversion], place[credit.unit]))
        groups, sums, valued = _grouped(keys, credit, amounts)
        counted = interval(sums, zero_below=1.0 if sums.shape[0] > 1 else 0.0)
        columns = np.stack((*counted, *interval(valued)), axis=1).tolist()
        for (code, at), figures in zip(groups.T.tolist(), columns, strict=True):
            yield (dimension, *names[at], str(currencies[code]), *figures)


def _grouped(
    keys: IntArray, rows: DrawCredit, amounts: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Distinct keys ``(key, group)``, and by group the shares and amounts, ``(draw, group)``."""
    order = np.lexsort(keys[::-1])
    ordered = keys[:, order]
    if not len(order):
        return ordered, np.zeros((1, 0)), np.zeros((1, 0))
    begins = np.flatnonzero(np.r_[True, (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)])
    amount = amounts[rows.conversion[order]]
    draws = rows.shares.shape[1]
    sums, valued = np.empty((draws, len(begins))), np.empty((draws, len(begins)))
    step = max(1, BATCH // len(order))
    for d in range(0, draws, step):
        shares = rows.shares[order, d : d + step].astype(np.float64)
        sums[d : d + step] = np.add.reduceat(shares, begins, axis=0).T
        valued[d : d + step] = np.add.reduceat(shares * amount[:, None], begins, axis=0).T
    return ordered[:, begins], sums, valued

"""Credit added up by campaign or channel and period, with intervals where there are draws."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.credit import BASELINE, Credit, DrawCredit
from attribution.journeys import US_PER_DAY, Journeys, Units
from bizops.intervals import interval

__all__ = [
    "PERIODS",
    "Explained",
    "SummaryRow",
    "period_starts",
    "summarise",
    "summarise_draws",
    "summarise_shares",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PERIODS = ("day", "week", "month", "quarter", "all")
BATCH = 4_000_000
SummaryRow = tuple[str | float | None, ...]
"""The columns of ``attribution.credit_summary`` from ``dimension`` on."""


@dataclass(frozen=True)
class Explained:
    """What shares are shares of, shape ``(conversion,)``: when it was, and how much."""

    time_us: IntArray
    currency: NDArray[np.object_]
    amounts: FloatArray


def summarise(journeys: Journeys, credit: Credit) -> Iterator[SummaryRow]:
    """Sums of a rule's credit, whose intervals have no width."""
    unit = credit.unit(journeys.touches.unit)
    shares = credit.share[:, None]
    yield from _summaries(
        _explained(journeys), journeys.units, _Shares(credit.conversion, unit, shares)
    )


def summarise_draws(journeys: Journeys, credit: DrawCredit) -> Iterator[SummaryRow]:
    """Sums of the model's credit, draw by draw, with 90 % intervals."""
    yield from summarise_shares(_explained(journeys), journeys.units, credit)


def summarise_shares(
    explained: Explained, units: Units, credit: DrawCredit, days_us: IntArray | None = None
) -> Iterator[SummaryRow]:
    """The same, of anything that was explained by these campaigns.

    Parameters
    ----------
    days_us
        Only periods that hold one of these moments; None for all.
    """
    rows = _Shares(credit.conversion, credit.unit, credit.shares)
    yield from _summaries(explained, units, rows, days_us)


def _explained(journeys: Journeys) -> Explained:
    conversions = journeys.conversions
    return Explained(conversions.time_us, conversions.currency, conversions.amounts)


def period_starts(time_us: IntArray, period: str) -> NDArray[np.datetime64]:
    """First day of each moment's period in UTC; weeks start on Monday.

    >>> period_starts(np.array([0]), "week")
    array(['1969-12-29'], dtype='datetime64[D]')
    """
    day = (time_us // US_PER_DAY).astype("datetime64[D]")
    if period == "week":
        monday = day - (day.astype(np.int64) + 3) % 7  # 1970 began on a Thursday
        return np.asarray(monday)
    if period == "month":
        return day.astype("datetime64[M]").astype("datetime64[D]")
    if period == "quarter":
        month = day.astype("datetime64[M]")
        return (month - month.astype(np.int64) % 3).astype("datetime64[D]")
    return day if period == "day" else np.zeros_like(day)


@dataclass(frozen=True)
class _Shares:
    """Shares by conversion and campaign, -1 for the baseline; ``shares`` is ``(row, draw)``."""

    conversion: IntArray
    unit: IntArray
    shares: NDArray[np.floating]

    def only(self, kept: NDArray[np.bool_]) -> "_Shares":
        """Some of the rows."""
        if kept.all():
            return self
        return _Shares(self.conversion[kept], self.unit[kept], self.shares[kept])


def _summaries(
    conversions: Explained, units: Units, every: _Shares, days_us: IntArray | None = None
) -> Iterator[SummaryRow]:
    currencies, currency = np.unique(conversions.currency.astype(str), return_inverse=True)
    channels = sorted({channel for channel, _ in units})
    of_unit = np.array([channels.index(channel) for channel, _ in units] + [-1])
    campaigns = np.append(np.arange(len(units)), -1)
    places = {
        "campaign": (campaigns, [*units, (BASELINE, BASELINE)]),
        "channel": (of_unit, [*((name, "") for name in channels), (BASELINE, "")]),
    }
    for dimension, (place, names) in places.items():
        for period in PERIODS:
            start = period_starts(conversions.time_us, period).astype(np.int64)
            rows = every
            if days_us is not None:
                wanted = np.isin(start, period_starts(days_us, period).astype(np.int64))
                rows = every.only(wanted[every.conversion])
            keys = (start[rows.conversion], currency[rows.conversion], place[rows.unit])
            groups, sums, amounts = _grouped(np.stack(keys), rows, conversions.amounts)
            counted = interval(sums, zero_below=1.0 if sums.shape[0] > 1 else 0.0)
            valued = interval(amounts)
            columns = np.stack((*counted, *valued), axis=1).tolist()
            for (day, money, at), figures in zip(groups.T.tolist(), columns, strict=True):
                first = None if period == "all" else str(np.datetime64(day, "D"))
                yield (dimension, *names[at], period, first, str(currencies[money]), *figures)


def _grouped(
    keys: IntArray, rows: _Shares, amounts: FloatArray
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

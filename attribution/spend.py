"""What campaigns cost, by week or month, beside the touches of the same time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import QUERIES, US_PER_DAY, Journeys
from bizops.database import Connection

__all__ = ["Periods", "Spend", "cut_into_periods", "load_spend", "periods_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MOSTLY = 0.8
"""Share of a campaign's weeks (or months) that must have spend, or the next longer ones count."""


@dataclass(frozen=True)
class Spend:
    """What a campaign cost.

    Attributes
    ----------
    currencies
        All it was spent in, sorted. Amounts are of the first only, so that they add up.
    day, amount
        Days since 1970, ascending, and what was spent on them, shape ``(day,)``; may be 0.
    """

    channel: str
    campaign_id: str
    currencies: tuple[str, ...]
    day: IntArray
    amount: FloatArray


@dataclass(frozen=True)
class Periods:
    """A campaign's spend and touches, by week from Monday or by month; shape ``(period,)``.

    Attributes
    ----------
    name
        ``week`` or ``month``.
    start, days
        First day since 1970, and length.
    amount, touches
        Spend and touches in it.
    whole
        Whether it is neither the first nor the last: of these two only a part may be known, and
        spend and touches that are cut together look as if one followed from the other.
    """

    name: str
    start: IntArray
    days: IntArray
    amount: FloatArray
    touches: IntArray
    whole: BoolArray

    @property
    def paid(self) -> BoolArray:
        """Whether anything was spent."""
        return self.amount > 0

    def holding(self, day: IntArray) -> IntArray:
        """Index of the period that each day is in, -1 for none."""
        place = np.searchsorted(self.start, day, side="right") - 1
        end = self.start[-1] + self.days[-1] if len(self.start) else 0
        return np.asarray(np.where((place >= 0) & (day < end), place, -1))


def load_spend(connection: Connection, until_us: int) -> list[Spend]:
    """What was spent on each campaign up to the end of the data, by channel and campaign."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["spend_by_day"], {"until": int(until_us // US_PER_DAY)})
        found = cursor.fetchall()
    by_campaign: dict[tuple[str, str], dict[str, list[tuple[int, float]]]] = {}
    for channel, campaign, currency, day, amount in found:
        of = by_campaign.setdefault((channel, campaign), {})
        of.setdefault(currency, []).append((day, amount))
    spends = []
    for (channel, campaign), of in by_campaign.items():
        days = np.array(next(iter(of.values())), dtype=np.float64)
        spends.append(Spend(channel, campaign, tuple(of), days[:, 0].astype(np.int64), days[:, 1]))
    return spends


def cut_into_periods(spend: Spend, touch_day: IntArray) -> Periods:
    """Add up spend and touches by week; by month where it is booked more rarely than weekly.

    Parameters
    ----------
    touch_day
        Days since 1970 of the campaign's touches, shape ``(touch,)``.
    """
    day = spend.day[spend.amount > 0]
    if not len(day):
        nothing = np.zeros(0, dtype=np.int64)
        return Periods("week", nothing, nothing, np.zeros(0), nothing, np.zeros(0, dtype=bool))
    first, last = int(day[0]), int(day[-1])
    edges, name = _weeks(first, last), "week"
    if _share_with(day, edges) < MOSTLY:
        edges, name = _months(first, last), "month"
    inside = (touch_day >= edges[0]) & (touch_day < edges[-1])
    place = np.searchsorted(edges, spend.day, side="right") - 1
    count = len(edges) - 1
    known = (place >= 0) & (place < count)
    whole = np.ones(count, dtype=bool)
    whole[[0, -1]] = False
    return Periods(
        name=name,
        start=edges[:-1],
        days=np.diff(edges),
        amount=np.bincount(place[known], spend.amount[known], minlength=count),
        touches=np.histogram(touch_day[inside], edges)[0].astype(np.int64),
        whole=whole,
    )


def _weeks(first: int, last: int) -> IntArray:
    """Mondays from the one before ``first`` to the one after ``last``; 1970 began on a Thursday."""
    monday = first - (first + 3) % 7
    return np.arange(monday, last + 8 - (last + 3) % 7, 7)


def _months(first: int, last: int) -> IntArray:
    days = np.array([first, last]).astype("datetime64[D]")
    begin, end = days.astype("datetime64[M]").astype(np.int64).tolist()
    starts = np.arange(begin, end + 2).astype("datetime64[M]")
    return starts.astype("datetime64[D]").astype(np.int64)


def _share_with(day: IntArray, edges: IntArray) -> float:
    return float((np.histogram(day, edges)[0] > 0).mean())


def periods_of(spends: Sequence[Spend], journeys: Journeys) -> tuple[list[Periods], BoolArray]:
    """Each campaign's periods, and which touches fall into one with spend, shape ``(touch,)``."""
    touches = journeys.touches
    day = touches.time_us // US_PER_DAY
    number = {unit: place for place, unit in enumerate(journeys.units)}
    order = np.argsort(touches.unit, kind="stable")
    bounds = np.searchsorted(touches.unit[order], np.arange(len(journeys.units) + 1))
    found, paid = [], np.zeros(len(touches), dtype=bool)
    for spend in spends:
        unit = number.get((spend.channel, spend.campaign_id))
        theirs = order[:0] if unit is None else order[bounds[unit] : bounds[unit + 1]]
        periods = cut_into_periods(spend, day[theirs])
        place = periods.holding(day[theirs])
        paid[theirs] = (place >= 0) & np.append(periods.paid, False)[place]
        found.append(periods)
    return found, paid

"""Touches around an account's first conversion: how often before it, and how often after it.

No touch can cause what came before it. So a kind of touch that is as frequent just after a
conversion as just before it, and rarer at other times, goes with buying for a reason that is not
its own effect: a placebo in which an effect should not show. Only a sign: sales also change whom
campaigns touch, so that it finds nothing where touches stop at a sale, and too much where a sale
sets touches off (onboarding mails).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import US_PER_DAY, Journeys

__all__ = ["LAGS_DAYS", "Around", "touches_around"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LAGS_DAYS = (0.0, 3.0, 7.0, 14.0, 30.0, 60.0, 90.0)


@dataclass(frozen=True)
class Around:
    """Touches by their distance from the first conversion of their account.

    Attributes
    ----------
    channels
        Sorted.
    lags_days
        Edges of the bins, ascending from 0, shape ``(bin + 1,)``; the same on both sides.
    before, after
        Counts of touches, shape ``(channel, bin)``.
    days_before, days_after
        Days for which accounts were observed, shape ``(bin,)``: what the counts are divided by.
    accounts
        How many converted.
    """

    channels: tuple[str, ...]
    lags_days: FloatArray
    before: IntArray
    after: IntArray
    days_before: FloatArray
    days_after: FloatArray
    accounts: int


def touches_around(journeys: Journeys, lags_days: tuple[float, ...] = LAGS_DAYS) -> Around:
    """Count the touches of each channel before and after each account's first conversion.

    Where only the day of a conversion is known, that day is on neither side, and its touches are
    not counted; nor is a touch of which only the day is known, on the day of the conversion. A
    touch at the very moment of a conversion is before it. An account is observed from the first
    that is known of it (which may be a touch) to the end of the data.

    Parameters
    ----------
    lags_days
        Edges of the bins, ascending from 0.
    """
    conversions, touches = journeys.conversions, journeys.touches
    first = np.flatnonzero(np.diff(conversions.account, prepend=-1))
    account, day_only = conversions.account[first], conversions.day_only[first]
    last_before = conversions.time_us[first]
    first_after = last_before + np.where(day_only, US_PER_DAY, 0)
    edges = np.asarray(lags_days, dtype=np.float64)

    place = np.full(len(journeys.account_ids), -1)
    place[account] = np.arange(len(account))
    of = place[touches.account]
    touch = np.flatnonzero(of >= 0)
    of = of[touch]
    time = touches.time_us[touch]
    hidden = touches.day_only[touch]
    unsure = hidden & (time // US_PER_DAY == last_before[of] // US_PER_DAY)
    at = time + np.where(hidden, US_PER_DAY // 2, 0)
    channels = tuple(sorted({channel for channel, _ in journeys.units}))
    of_unit = np.array([channels.index(channel) for channel, _ in journeys.units], dtype=np.int64)
    channel = of_unit[touches.unit[touch]]

    # a moment is before the conversion at exactly its time, but not at the start of a hidden day
    is_before = np.where(day_only[of], at < last_before[of], at <= last_before[of])
    is_after = np.where(day_only[of], at >= first_after[of], at > first_after[of])

    def counted(kept: NDArray[np.bool_], lag_us: IntArray) -> IntArray:
        lag = lag_us[kept & ~unsure] / US_PER_DAY
        bin_ = np.searchsorted(edges, lag, side="right") - 1
        inside = bin_ < len(edges) - 1
        count = np.zeros((len(channels), len(edges) - 1), dtype=np.int64)
        np.add.at(count, (channel[kept & ~unsure][inside], bin_[inside]), 1)
        return count

    known_before = (last_before - journeys.started_us[account]) / US_PER_DAY
    known_after = (journeys.until_us - first_after) / US_PER_DAY
    return Around(
        channels=channels,
        lags_days=edges,
        before=counted(is_before, last_before[of] - at),
        after=counted(is_after, at - first_after[of]),
        days_before=_observed(known_before, edges),
        days_after=_observed(known_after, edges),
        accounts=len(account),
    )


def _observed(days: FloatArray, edges: FloatArray) -> FloatArray:
    """Days of each bin that lie within what is known of each account, summed."""
    return np.diff(np.clip(days[:, None], 0.0, edges).sum(axis=0))

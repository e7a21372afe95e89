"""Which touches count for which moment: the ragged join that rules and the model share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import US_PER_DAY, Touches
from attribution.rules import Paths

__all__ = ["Pairs", "counted_pairs", "within_lookback"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Conversions with each touch that counts for them, by conversion, oldest touch first.

    Attributes
    ----------
    conversion, touch
        Indexes, shape ``(pair,)``.
    counts
        Touches of each conversion, shape ``(conversion,)``.
    lag_days
        From touch to conversion by their moments, a day standing for its start; below zero only
        where one of the two hides its hour. Shape ``(pair,)``.
    age_days
        The lag where both moments are exact, else the difference of the days; >= 0.
    """

    conversion: IntArray
    touch: IntArray
    counts: IntArray
    lag_days: FloatArray
    age_days: FloatArray

    def __len__(self) -> int:
        return len(self.touch)

    def only(self, kept: BoolArray) -> "Pairs":
        """Some of the pairs, of all conversions."""
        return Pairs(
            conversion=self.conversion[kept],
            touch=self.touch[kept],
            counts=np.bincount(self.conversion[kept], minlength=len(self.counts)),
            lag_days=self.lag_days[kept],
            age_days=self.age_days[kept],
        )

    def paths(self, touch_unit: IntArray, known: BoolArray | None = None) -> Paths:
        """The same as rules see it.

        Parameters
        ----------
        touch_unit
            Campaign of each touch, shape ``(touch,)``.
        known
            Whether each pair's touch made the account known, shape ``(pair,)``; None for no.
        """
        if known is None:
            known = np.zeros(len(self), dtype=bool)
        return Paths(self.age_days, self.counts, touch_unit[self.touch], known)


def counted_pairs(
    touches: Touches, account: IntArray, time_us: IntArray, day_only: BoolArray
) -> Pairs:
    """Pair each conversion with the touches of its account that are not after it.

    Parameters
    ----------
    account, time_us, day_only
        Of the conversions (or whatever ends a journey), shape ``(conversion,)``, in any order.
    """
    # Touches before a bound are a prefix of their account's touches, even where some hide their
    # hour: a touch's day starts before an exact conversion exactly if the day is not after it.
    bound = np.where(day_only, time_us + US_PER_DAY - 1, time_us)
    times = np.sort(touches.time_us)  # of like ones the first counts; leaving them out takes longer
    stride = len(times) + 1
    key = touches.account * stride + np.searchsorted(times, touches.time_us)
    start = np.searchsorted(key, account * stride)
    stop = np.searchsorted(key, account * stride + np.searchsorted(times, bound, side="right"))
    counts = stop - start
    conversion = np.repeat(np.arange(len(account)), counts)
    offset = np.cumsum(counts) - counts
    touch = np.arange(int(counts.sum())) - np.repeat(offset - start, counts)
    lag_us = time_us[conversion] - touches.time_us[touch]
    days = time_us[conversion] // US_PER_DAY - touches.time_us[touch] // US_PER_DAY
    hidden = day_only[conversion] | touches.day_only[touch]
    lag_days = lag_us / US_PER_DAY
    return Pairs(
        conversion=conversion,
        touch=touch,
        counts=counts.astype(np.int64),
        lag_days=lag_days,
        age_days=np.where(hidden, days, lag_days).astype(np.float64),
    )


def within_lookback(pairs: Pairs, lookback_days: float | None) -> Pairs:
    """Only the pairs with a touch of at most that age; all of them for None."""
    if lookback_days is None:
        return pairs
    return pairs.only(pairs.age_days <= lookback_days)

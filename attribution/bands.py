"""A figure with intervals of 50 and 90 %, and costs, which are the inverse of such a figure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bizops.intervals import interval

__all__ = ["Band", "Cost", "band", "signed_band"]


class Band(NamedTuple):
    """A posterior mean, and the ends of its 90 % and 50 % intervals."""

    mean: float
    low: float
    high: float
    low_50: float
    high_50: float

    def cost(self) -> "Cost":
        """What one costs, where this is how many a unit of money brings.

        The estimate is the inverse of the mean: the mean of an inverse that may well be endless
        does not exist.
        """

        def inverse(value: float) -> float | None:
            return 1.0 / value if value > 1e-300 else None

        return Cost(*map(inverse, (self.mean, self.high, self.low, self.high_50, self.low_50)))


class Cost(NamedTuple):
    """Money for one of something, with 90 % and 50 % intervals; None is without a bound."""

    estimate: float | None
    low: float | None
    high: float | None
    low_50: float | None
    high_50: float | None


def band(draws: NDArray[np.floating], *, zero_below: float = 0.0) -> Band:
    """Of draws that are not negative, shape ``(draw,)``, by :func:`bizops.intervals.interval`."""
    wide = interval(draws, zero_below=zero_below)
    narrow = interval(draws, probability=0.5, zero_below=zero_below)
    return Band(*map(float, (*wide, narrow.low, narrow.high)))


def signed_band(draws: NDArray[np.floating]) -> Band:
    """Of draws around any value, shape ``(draw,)``: equal tails, so that they agree with signs."""
    ends = np.quantile(draws, (0.05, 0.95, 0.25, 0.75))
    return Band(float(np.mean(draws)), *map(float, ends))

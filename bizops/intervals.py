"""One interval for every figure that has draws, so that all stages say the same."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "interval"]

NEGLIGIBLE = 0.05


class Interval(NamedTuple):
    """A posterior mean and the ends of its interval, each of the draws' shape without the first."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def interval(
    draws: NDArray[np.floating], *, probability: float = 0.9, zero_below: float = 0.0
) -> Interval:
    """Mean and highest-density interval of non-negative draws.

    A positive, continuous posterior never reaches a truth of zero: so the low end is set to 0
    where it is under ``zero_below`` or under 5 % of the high end. The interval is widened to hold
    the mean where a long tail has put the mean outside.

    Parameters
    ----------
    draws
        Shape ``(draw, ...)``, at least one draw.
    probability
        Mass inside, in (0, 1].
    zero_below
        1 for counts of conversions, 0 for amounts and shares; in the unit of ``draws``.

    Raises
    ------
    ValueError
        If there is no draw.

    Examples
    --------
    >>> counts = np.array([[4.0], [5.0], [6.0], [5.5], [40.0]])
    >>> mean, low, high = interval(counts, probability=0.8, zero_below=1.0)
    >>> float(low[0]), float(high[0]), float(mean[0])
    (4.0, 12.1, 12.1)
    """
    if draws.shape[0] == 0:
        raise ValueError("no draws; expected at least one")
    ordered = np.sort(np.asarray(draws, dtype=np.float64), axis=0)
    count = len(ordered)
    inside = min(count, max(1, int(np.ceil(probability * count))))
    widths = ordered[inside - 1 :] - ordered[: count - inside + 1]
    start = np.argmin(widths, axis=0)[None]
    low = np.take_along_axis(ordered, start, axis=0)[0]
    high = np.take_along_axis(ordered, start + inside - 1, axis=0)[0]
    mean = ordered.mean(axis=0)
    high = np.maximum(high, mean)
    low = np.minimum(low, mean)
    low = np.where((low < zero_below) | (low < NEGLIGIBLE * high), 0.0, low)
    return Interval(mean, low, high)

"""When accounts buy whatever campaigns do: smooth through the year, quarter ends, weekends."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_knots", "season_basis"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KNOT_DAYS = 42.0
QUARTER_END_DAYS = 14
SATURDAY = 2  # 1970 began on a Thursday


def find_knots(first_day: int, days: int) -> IntArray:
    """Days since 1970 between which the level moves in straight lines; none in too short a time.

    Parameters
    ----------
    first_day, days
        The data's first day since 1970, and how many there are.
    """
    if days < 2 * KNOT_DAYS:
        return np.zeros(0, dtype=np.int64)
    return first_day + np.linspace(0, days - 1, round(days / KNOT_DAYS)).round().astype(np.int64)


def season_basis(day: IntArray, knots: IntArray) -> FloatArray:
    """What the log of the baseline may move by: hats over the knots, quarter ends, weekends.

    Parameters
    ----------
    day
        Since 1970, shape ``(day,)``; one outside the knots has the level of the nearest.
    knots
        As of :func:`find_knots`.

    Returns
    -------
    Shape ``(day, basis)``; the hats of a day sum to one. Without knots there is no basis either.

    Examples
    --------
    >>> season_basis(np.arange(365), find_knots(0, 365)).shape
    (365, 11)
    """
    if not len(knots):
        return np.zeros((len(day), 0))
    hats = [np.interp(day, knots, one) for one in np.eye(len(knots))]
    date = day.astype("datetime64[D]")
    quarter = date.astype("datetime64[M]").astype(np.int64) // 3
    next_quarter = (3 * quarter + 3).astype("datetime64[M]").astype("datetime64[D]")
    quarter_end = (next_quarter - date).astype(np.int64) <= QUARTER_END_DAYS
    weekend = (day - SATURDAY) % 7 < 2
    return np.column_stack((*hats, quarter_end, weekend)).astype(np.float64)

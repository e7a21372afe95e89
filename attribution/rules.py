"""Rules of thumb: shares of a conversion by the order and age of its touches alone.

Every rule is one pure function on all journeys at once. A journey's touches lie together, oldest
first; ``counts`` says how many each has. Journeys without touches take no place in the result.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["HALF_LIFE_DAYS", "LOOKBACK_DAYS", "RULES", "Rule"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Rule = Callable[[FloatArray, IntArray], FloatArray]

LOOKBACK_DAYS = 90.0
HALF_LIFE_DAYS = 7.0


def first_touch(age_days: FloatArray, counts: IntArray) -> FloatArray:
    """All to the oldest touch.

    >>> first_touch(np.array([9.0, 1.0, 3.0]), np.array([2, 0, 1]))
    array([1., 0., 1.])
    """
    shares = np.zeros(len(age_days))
    shares[_firsts(counts)] = 1.0
    return shares


def last_touch(age_days: FloatArray, counts: IntArray) -> FloatArray:
    """All to the newest touch.

    >>> last_touch(np.array([9.0, 1.0, 3.0]), np.array([2, 0, 1]))
    array([0., 1., 1.])
    """
    shares = np.zeros(len(age_days))
    shares[_lasts(counts)] = 1.0
    return shares


def linear(age_days: FloatArray, counts: IntArray) -> FloatArray:
    """The same to each touch.

    >>> linear(np.array([9.0, 1.0, 3.0]), np.array([2, 0, 1]))
    array([0.5, 0.5, 1. ])
    """
    return np.repeat(1.0 / np.maximum(counts, 1), counts)


def time_decay(age_days: FloatArray, counts: IntArray) -> FloatArray:
    """Half as much for every ``HALF_LIFE_DAYS`` (7) days of age.

    >>> time_decay(np.array([7.0, 0.0]), np.array([2])).round(3)
    array([0.333, 0.667])
    """
    if not len(age_days):
        return np.zeros(0)
    starts = _firsts(counts)
    filled = counts[counts > 0]
    youngest = np.repeat(np.minimum.reduceat(age_days, starts), filled)  # or old ages underflow
    weights = 2.0 ** (-(age_days - youngest) / HALF_LIFE_DAYS)
    return np.asarray(weights / np.repeat(np.add.reduceat(weights, starts), filled))


def position_based(age_days: FloatArray, counts: IntArray) -> FloatArray:
    """40 % to the first, 40 % to the last, the rest to those between; two share equally.

    >>> position_based(np.array([9.0, 5.0, 4.0, 1.0]), np.array([4]))
    array([0.4, 0.1, 0.1, 0.4])
    >>> position_based(np.array([9.0, 5.0, 4.0]), np.array([2, 1]))
    array([0.5, 0.5, 1. ])
    """
    shares = np.repeat(0.2 / np.maximum(counts - 2, 1), counts)
    ends = np.where(counts == 1, 1.0, np.where(counts == 2, 0.5, 0.4))[counts > 0]
    shares[_firsts(counts)] = ends
    shares[_lasts(counts)] = ends
    return shares


def _firsts(counts: IntArray) -> IntArray:
    return (np.cumsum(counts) - counts)[counts > 0]


def _lasts(counts: IntArray) -> IntArray:
    return (np.cumsum(counts) - 1)[counts > 0]


RULES: dict[str, Rule] = {
    rule.__name__: rule for rule in (first_touch, last_touch, linear, time_decay, position_based)
}
"""Every rule by its name."""

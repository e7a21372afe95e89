"""Rules of thumb: shares of a conversion by its own touches alone, without a look at others.

Every rule is one pure function on all journeys at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HALF_LIFE_DAYS", "LOOKBACK_DAYS", "RULES", "Paths", "Rule", "split_by_unit"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LOOKBACK_DAYS = 90.0
HALF_LIFE_DAYS = 7.0


@dataclass(frozen=True)
class Paths:
    """Journeys as rules see them: the touches of each lie together, oldest first.

    Attributes
    ----------
    age_days
        From touch to conversion, each >= 0, shape ``(touch,)``.
    counts
        Touches of each journey, shape ``(journey,)``; 0 takes no place in the other arrays.
    unit
        Campaign of each touch, or whatever else gets credit, >= 0, shape ``(touch,)``.
    known
        The touch that made the account known, at most one a journey, shape ``(touch,)``.
    """

    age_days: FloatArray
    counts: IntArray
    unit: IntArray
    known: BoolArray

    @classmethod
    def of(
        cls, *ages: Sequence[float], unit: Sequence[int] = (), known: Sequence[int] = ()
    ) -> "Paths":
        """A few journeys by the ages of their touches, all of one unit unless told.

        ``known`` holds places of touches, counted over all journeys.
        """
        age_days = np.array([age for one in ages for age in one], dtype=np.float64)
        counts = np.array([len(one) for one in ages], dtype=np.int64)
        units = np.array(unit, dtype=np.int64) if len(unit) else np.zeros(len(age_days), np.int64)
        return cls(age_days, counts, units, np.isin(np.arange(len(age_days)), known))

    @property
    def journey(self) -> IntArray:
        """The journey of each touch, shape ``(touch,)``."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def first(self) -> IntArray:
        """The oldest touch of each journey that has one."""
        return (np.cumsum(self.counts) - self.counts)[self.counts > 0]

    @property
    def last(self) -> IntArray:
        """The newest touch of each journey that has one."""
        return (np.cumsum(self.counts) - 1)[self.counts > 0]


Rule = Callable[[Paths], FloatArray]
"""Shares of shape ``(touch,)``, none below zero, that sum to one over each journey with touches."""


def first_touch(paths: Paths) -> FloatArray:
    """All to the oldest touch.

    >>> first_touch(Paths.of([9.0, 1.0], [], [3.0]))
    array([1., 0., 1.])
    """
    shares = np.zeros(len(paths.unit))
    shares[paths.first] = 1.0
    return shares


def last_touch(paths: Paths) -> FloatArray:
    """All to the newest touch.

    >>> last_touch(Paths.of([9.0, 1.0], [], [3.0]))
    array([0., 1., 1.])
    """
    shares = np.zeros(len(paths.unit))
    shares[paths.last] = 1.0
    return shares


def linear(paths: Paths) -> FloatArray:
    """The same to each touch.

    >>> linear(Paths.of([9.0, 1.0], [], [3.0]))
    array([0.5, 0.5, 1. ])
    """
    return np.repeat(1.0 / np.maximum(paths.counts, 1), paths.counts)


def time_decay(paths: Paths) -> FloatArray:
    """Half as much for every ``HALF_LIFE_DAYS`` (7) days of age.

    >>> time_decay(Paths.of([7.0, 0.0])).round(3)
    array([0.333, 0.667])
    """
    if not len(paths.unit):
        return np.zeros(0)
    filled = paths.counts[paths.counts > 0]
    youngest = np.repeat(np.minimum.reduceat(paths.age_days, paths.first), filled)
    return _scaled(paths, 2.0 ** (-(paths.age_days - youngest) / HALF_LIFE_DAYS))


def position_based(paths: Paths) -> FloatArray:
    """40 % to the first, 40 % to the last, the rest to those between; two share equally.

    >>> position_based(Paths.of([9.0, 5.0, 4.0, 1.0]))
    array([0.4, 0.1, 0.1, 0.4])
    >>> position_based(Paths.of([9.0, 5.0], [4.0]))
    array([0.5, 0.5, 1. ])
    """
    return _milestones(paths, 0.4, [paths.first, paths.last])


def w_shaped(paths: Paths) -> FloatArray:
    """30 % each to the first touch, to the one that made the account known, and to the last.

    The other touches share 10 % equally. A touch that is two of the three gets both; where there
    are no others, the rest is scaled up to one. Without a touch that made the account known it is
    :func:`position_based`.

    >>> w_shaped(Paths.of([9.0, 5.0, 4.0, 1.0], known=[1]))
    array([0.3, 0.3, 0.1, 0.3])
    >>> w_shaped(Paths.of([9.0, 1.0], [8.0, 2.0], known=[0])).round(3)
    array([0.667, 0.333, 0.5  , 0.5  ])
    """
    became_known = np.bincount(paths.journey[paths.known], minlength=len(paths.counts)) > 0
    shaped = _milestones(paths, 0.3, [paths.first, np.flatnonzero(paths.known), paths.last])
    return np.where(became_known[paths.journey], shaped, position_based(paths))


def shapley(paths: Paths) -> FloatArray:
    """The same to each distinct campaign of a journey, over whose touches its part is split.

    With the conversions whose whole journey lies within a set of campaigns as what the set is
    worth, this is the Shapley value of each campaign, exactly: a journey counts for a set when the
    last of its campaigns joins, and any of them is the last equally often. None is below zero, and
    all sum to the conversions.

    References
    ----------
    Zhao, Mahboobi, Bagheri (2018), Shapley Value Methods for Attribution Modeling in Online
    Advertising, arXiv:1804.05327: the simplified formula, for conversions rather than rates.

    >>> shapley(Paths.of([9.0, 5.0, 1.0], unit=[4, 7, 4]))
    array([0.25, 0.5 , 0.25])
    """
    return split_by_unit(paths, np.ones(int(paths.unit.max(initial=0)) + 1))


def split_by_unit(paths: Paths, weights: FloatArray) -> FloatArray:
    """Shares by the weights of a journey's distinct units, each split over the unit's touches.

    A journey whose units all have a weight of zero is split as if they were equal.

    Parameters
    ----------
    weights
        Of each unit, none below zero, shape ``(unit,)``.
    """
    code = paths.journey * len(weights) + paths.unit
    distinct, place, touches = np.unique(code, return_inverse=True, return_counts=True)
    journey, weight = distinct // len(weights), weights[distinct % len(weights)]
    total = np.bincount(journey, weight, minlength=len(paths.counts))
    weight = np.where(total[journey] > 0, weight, 1.0)
    total = np.bincount(journey, weight, minlength=len(paths.counts))
    return np.asarray((weight / total[journey] / touches)[place])


def _milestones(paths: Paths, share: float, milestones: list[IntArray]) -> FloatArray:
    """``share`` for each milestone that a touch is, what is left to those that are none."""
    shares = np.zeros(len(paths.unit))
    for touches in milestones:
        shares[touches] += share
    others = shares == 0
    between = np.bincount(paths.journey[others], minlength=len(paths.counts))
    left = (1.0 - len(milestones) * share) / np.maximum(between, 1)
    shares[others] = left[paths.journey[others]]
    return _scaled(paths, shares)


def _scaled(paths: Paths, weights: FloatArray) -> FloatArray:
    total = np.bincount(paths.journey, weights, minlength=len(paths.counts))
    return np.asarray(weights / total[paths.journey])


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        *(first_touch, last_touch, linear, time_decay, position_based),
        *(w_shaped, shapley),
    )
}
"""Every rule by its name."""

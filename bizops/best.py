"""Which of several works best by its draws, by how much, and how sure that is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SURE", "Beside", "Times", "beside", "told"]

SURE = 0.95
"""Probability of working better than the worst from which on that is claimed."""

MOST_TIMES = 1000.0


class Times(NamedTuple):
    """How many times as well: the median with its 90 % and 50 % intervals, by quantiles.

    At most 1,000: beyond that, what is compared with does nothing.
    """

    median: float
    low: float
    high: float
    low_50: float
    high_50: float


class Beside(NamedTuple):
    """One beside the others.

    Attributes
    ----------
    probability_best
        Shared out in draws in which several are the best.
    worst
        Index of the one with the lowest mean.
    times_worst
        How many times as well as that it works.
    probability_above_worst
        That it works better than that.
    """

    probability_best: float
    worst: int
    times_worst: Times
    probability_above_worst: float


def beside(draws: NDArray[np.float64]) -> list[Beside]:
    """Compare effects, draws of shape ``(item, draw)``, none of them negative.

    >>> best, worst = beside(np.array([[4.0, 6.0, 2.0], [2.0, 2.0, 2.0]]))
    >>> best.probability_best, best.times_worst.median, best.probability_above_worst
    (0.8333333333333334, 2.0, 0.6666666666666666)
    """
    best = draws == draws.max(axis=0)
    chances = (best / best.sum(axis=0)).mean(axis=1)
    at = int(np.argmin(draws.mean(axis=1)))
    worst = draws[at]
    found = []
    for chance, own in zip(chances.tolist(), draws, strict=True):
        times = np.minimum(own, MOST_TIMES * worst) / np.where(worst > 0, worst, 1.0)
        times[worst <= 0] = np.where(own[worst <= 0] > 0, MOST_TIMES, 1.0)
        ends = np.quantile(times, (0.5, 0.05, 0.95, 0.25, 0.75)).tolist()
        found.append(Beside(chance, at, Times(*ends), float((own > worst).mean())))
    return found


def told(best: str, worst: str, found: Beside) -> str | None:
    """A sentence on the best beside the worst; None where there is no evidence of a difference."""
    if found.probability_above_worst < SURE:
        return None
    median, low, high = (f"{end:,.1f}".removesuffix(".0") for end in found.times_worst[:3])
    return (
        f"a touch of {best} works {median} times ({low}–{high}) as well as one of {worst}; "
        f"{best} is the best with a probability of {found.probability_best:.0%}"
    )

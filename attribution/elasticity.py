"""How many more touches more spend buys: elasticities, learned from times of more and less spend.

Model
-----
1. A campaign's touches in a week (or month) are counts around a mean that moves with its spend:

       log E[touches a day] = trend(time) + ε log(spend a day),   variance φ × mean

   The trend is piecewise linear over quarters of a year, so that only what moves within a quarter
   says anything: what is slower (a market that grows, the time of the year) moves both. ``φ`` is
   Pearson's (McCullagh and Nelder, Generalized Linear Models, 1989, 9.2.4).
2. Campaigns of a channel are alike: ``ε ~ N(μ(channel), τ(channel)²)``, never below zero, as more
   money buys no fewer touches. ``μ ~ N(0.7, 0.35)``: 1 where each touch costs the same, less where
   the next one is dearer. ``τ ~ half-N(0.3)``. A campaign whose own figures say little is near its
   channel's others; one alone in its channel, near the prior.
3. What counts as evidence: the data have at least halved the prior's standard deviation of ``ε``
   (a contraction of its variance of 0.75; Schad, Betancourt and Vasishth, Psychological Methods
   26, 2021). Where spend did not vary, they can't.

What it cannot know: whether spend followed touches rather than the other way. Where a platform
bills by the click ``ε`` is 1 by the way it bills, and where budgets go up because demand does, it
is too high. Only spend that was changed by plan tells: see docs/curves.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

from attribution.spend import Periods

__all__ = ["Estimate", "draw_elasticities", "estimate", "is_evidence", "prior_draws"]

FloatArray = NDArray[np.float64]

PRIOR_MEAN, PRIOR_SD, PRIOR_SPREAD = 0.7, 0.35, 0.3
KNOT_DAYS = 91.0
TREND_SD = 1.0
LEAST_VARIATION = 0.05
"""Standard deviation of the log of spend below which it did not vary: invoices differ by as much
without anything having been changed."""
SPARE = 3  # observations more than parameters
STEPS = 50
MU = np.linspace(-0.5, 2.0, 101)
TAU = np.linspace(0.01, 1.0, 50)
HALVED = 0.5


@dataclass(frozen=True)
class Estimate:
    """What a campaign's own periods say of its elasticity.

    Attributes
    ----------
    value, error
        Estimate and standard error; the error is endless where they say nothing.
    why
        What keeps them from saying anything, as a sentence; empty where nothing does.
    least, most
        Spend a day in the periods, relative to their mean: what the estimate has seen.
    """

    value: float
    error: float
    why: str
    least: float = 1.0
    most: float = 1.0


def estimate(periods: Periods) -> Estimate:
    """Regress touches on spend by quasi-Poisson regression with a trend."""
    used = np.flatnonzero(periods.whole & periods.paid)
    name = periods.name
    rate = periods.amount[used] / np.maximum(periods.days[used], 1)
    middle = periods.start[used] + periods.days[used] / 2
    trend = _trend(middle)
    needed = trend.shape[1] + 1 + SPARE
    seen = (float(rate.min() / rate.mean()), float(rate.max() / rate.mean())) if len(used) else ()
    if len(used) < needed:
        why = f"{len(used)} whole {name}s with spend, where {needed} or more are needed"
        return Estimate(0.0, np.inf, why, *seen)
    log_spend = np.log(rate)
    varied = float(np.std(_residual(log_spend, trend)))
    if varied < LEAST_VARIATION:
        why = f"spend hardly varied from {name} to {name}, by {varied:.0%}"
        return Estimate(0.0, np.inf, why, *seen)
    touches = periods.touches[used]
    if touches.sum() < needed:
        return Estimate(0.0, np.inf, f"only {touches.sum()} touches while spend varied", *seen)
    design = np.column_stack((log_spend - log_spend.mean(), trend))
    value, error = _quasi_poisson(design, touches, np.log(periods.days[used]))
    return Estimate(value, error, "", *seen)


def _trend(middle: FloatArray) -> FloatArray:
    """Hats over knots a quarter apart, that sum to one, shape ``(period, knot)``."""
    if not len(middle):
        return np.zeros((0, 2))
    first, last = float(middle[0]), float(middle[-1])
    knots = np.linspace(
        first, max(last, first + 1.0), 1 + max(1, round((last - first) / KNOT_DAYS))
    )
    return np.column_stack([np.interp(middle, knots, row) for row in np.eye(len(knots))])


def _residual(values: FloatArray, trend: FloatArray) -> FloatArray:
    fitted = trend @ np.linalg.lstsq(trend, values, rcond=None)[0]
    return np.asarray(values - fitted)


def _quasi_poisson(design: FloatArray, counts: Any, offset: FloatArray) -> tuple[float, float]:
    """Elasticity (the first column's) and its standard error, by iterated weighted least squares.

    The trend is shrunk to its mean, with a standard deviation of 1, so that quarters without any
    touch have a finite one.
    """
    level = np.log(counts.sum() / np.exp(offset).sum())
    precision = np.full(design.shape[1], 1.0 / TREND_SD**2)
    precision[0] = 0.0
    beta = np.zeros(design.shape[1])
    for _ in range(STEPS):
        log_mean = np.clip(design @ beta + level + offset, -30.0, 30.0)
        mean = np.exp(log_mean)
        curvature = design.T @ (mean[:, None] * design) + np.diag(precision + 1e-9)
        step = np.linalg.solve(curvature, design.T @ (counts - mean) - precision * beta)
        beta += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    pearson = float(((counts - mean) ** 2 / np.maximum(mean, 1e-9)).sum())
    dispersion = max(1.0, pearson / (len(counts) - design.shape[1]))
    variance = dispersion * np.linalg.inv(curvature)[0, 0]
    return float(beta[0]), float(np.sqrt(variance))


def draw_elasticities(
    value: FloatArray, error: FloatArray, draws: int, rng: np.random.Generator
) -> FloatArray:
    """Draws of the elasticities of one channel's campaigns.

    ``μ`` and ``τ`` are drawn on a grid, with all ``ε`` integrated out; each ``ε`` given them is a
    normal that is cut off at zero.

    Parameters
    ----------
    value, error
        As in :class:`Estimate`, shape ``(campaign,)``.

    Returns
    -------
    Shape ``(draw, campaign)``, each >= 0.
    """
    mu, tau = (axis.ravel() for axis in np.meshgrid(MU, TAU, indexing="ij"))
    log = -0.5 * ((mu - PRIOR_MEAN) / PRIOR_SD) ** 2 - 0.5 * (tau / PRIOR_SPREAD) ** 2
    for one, its_error in zip(value, error, strict=True):
        if np.isfinite(its_error):
            mean, sd = _given(mu, tau, one, its_error)
            spread = tau**2 + its_error**2
            log += -0.5 * np.log(spread) - 0.5 * (one - mu) ** 2 / spread
            log += log_ndtr(mean / sd) - log_ndtr(mu / tau)
    weight = np.exp(log - log.max())
    cell = rng.choice(len(mu), size=draws, p=weight / weight.sum())
    out = np.empty((draws, len(value)))
    for place, (one, its_error) in enumerate(zip(value, error, strict=True)):
        mean, sd = _given(mu[cell], tau[cell], one, its_error)
        # the upper tail's quantile, from its logarithm: right however far zero is from the mean
        log_tail = np.log(rng.uniform(1e-12, 1.0, draws)) + log_ndtr(mean / sd)
        out[:, place] = np.maximum(mean - sd * ndtri_exp(log_tail), 0.0)
    return out


def _given(
    mu: FloatArray, tau: FloatArray, value: float, error: float
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of ``ε`` before it is cut off at zero."""
    if not np.isfinite(error):
        return mu, tau
    variance = tau**2 * error**2 / (tau**2 + error**2)
    return variance * (mu / tau**2 + value / error**2), np.sqrt(variance)


def prior_draws(draws: int = 4000) -> FloatArray:
    """What is thought of a campaign's elasticity before any data, shape ``(draw,)``."""
    nothing = np.zeros(1), np.full(1, np.inf)
    return draw_elasticities(*nothing, draws, np.random.default_rng(0))[:, 0]


def is_evidence(draws: FloatArray, prior: FloatArray) -> bool:
    """Whether the data have halved the doubt: the standard deviation of these draws."""
    return float(np.std(draws)) <= HALVED * float(np.std(prior))

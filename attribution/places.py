"""Where the sampler walks instead of among the parameters, and where it begins.

Given its channel's ``a`` and ``θ``, a campaign to which ``n`` conversions are due has an effect
``β ~ Gamma(a + n, rate a / θ + risk)``. Its place ``z`` is nearly a standard normal under that,
whatever ``a`` and ``θ`` are: a channel, all its campaigns and their spread then move in one step,
with little data as well as with much.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attribution.density import log_density
from attribution.factors import jit
from attribution.inputs import CHANNEL, EFFECT, SHAPE, Inputs

__all__ = ["find_start", "from_places", "placed_density"]

FloatArray = NDArray[np.float64]


@jit
def placed_density(x: FloatArray, d: Inputs, due: FloatArray, gradient: FloatArray) -> float:
    """The log density of places.

    Parameters
    ----------
    x, gradient
        Places, and what the density changes by with each, shape ``(parameter,)``.
    due
        About how many conversions are due to each fitted campaign, shape ``(fitted,)``.
    """
    y = x.copy()
    from_places(y, d, due)
    value = log_density(y, d, gradient)
    for f in range(d.fitted):
        i = d.at[EFFECT] + f
        prior, shape = _prior(x, d, f)
        count = shape + due[f]
        w = x[i] / math.sqrt(count)
        # how far a step of w goes, and by how much more the further it is
        stretch, bend = (1.0 - 0.5 * w, -0.5) if w < 0.0 else (1.0, 0.0)
        if w >= 0.0:
            stretch = 1.0 / (1.0 + w / 3.0)
            bend = -stretch * stretch / 3.0
        slope, bend = gradient[i], bend / stretch
        value += math.log(stretch) - 0.5 * math.log(count)
        gradient[i] = (slope * stretch + bend) / math.sqrt(count)
        if f < d.fitted - d.associations:
            share = prior / (prior + d.fitted_risk[f])
            narrower = shape / count
            gradient[d.at[CHANNEL] + d.fitted_channel[f]] += slope * share
            gradient[d.at[SHAPE]] += slope * (narrower - share - 0.5 * w * narrower * stretch)
            gradient[d.at[SHAPE]] -= 0.5 * narrower * (1.0 + w * bend)
    return value


@jit
def from_places(x: FloatArray, d: Inputs, due: FloatArray) -> None:
    """Turn places into parameters, in place.

    A Gamma's logarithm, ``δ`` from its mode, is ``w - w²/4`` for ``w < 0`` and ``3 log(1 + w/3)``
    from there, ``w = z / √(a + n)``; both are within a few percent of what makes ``z`` the root of
    the deviance, ``w²/2 = e^δ - 1 - δ``.
    """
    for f in range(d.fitted):
        prior, shape = _prior(x, d, f)
        count = shape + due[f]
        w = x[d.at[EFFECT] + f] / math.sqrt(count)
        log = w - 0.25 * w * w if w < 0.0 else 3.0 * math.log1p(w / 3.0)
        x[d.at[EFFECT] + f] = log + math.log(count / (prior + d.fitted_risk[f]))


@jit
def _prior(x: FloatArray, d: Inputs, f: int) -> tuple[float, float]:
    """Rate and shape of a campaign's Gamma before the data; an association has another prior."""
    if f >= d.fitted - d.associations:
        return 0.0, 1.0
    return math.exp(x[d.at[SHAPE]] - x[d.at[CHANNEL] + d.fitted_channel[f]]), math.exp(
        x[d.at[SHAPE]]
    )


def find_start(d: Inputs, log_effect: float) -> tuple[FloatArray, FloatArray]:
    """A place of high density, and about how many conversions are due to each fitted campaign.

    Parameters
    ----------
    log_effect
        Log of the mean effect of a touch, as the priors have it.
    """
    effects = slice(d.at[EFFECT], d.at[EFFECT] + d.fitted)
    due = d.fitted_risk * math.exp(log_effect)
    start, gradient = d.prior_mean.copy(), np.empty_like(d.prior_mean)
    start[effects] = 0.0
    bounds = [(-np.inf, np.inf)] * len(start)
    bounds[d.at[SHAPE]] = (start[d.at[SHAPE]],) * 2  # at the highest density all are alike

    def climb(x: FloatArray) -> tuple[float, FloatArray]:
        return -placed_density(x, d, due, gradient), -gradient

    start = minimize(climb, start, jac=True, bounds=bounds, options={"maxiter": 200}).x
    moved = start.copy()
    from_places(moved, d, due)
    start[effects] = 0.0
    return start, d.fitted_risk * np.exp(moved[effects])

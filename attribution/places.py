"""Where the sampler walks instead of among the parameters, and where it begins.

Given its channel's ``a`` and ``θ``, a campaign to which ``n`` conversions are due has an effect
``β ~ Gamma(a + n, rate a / θ + risk)``. Its place ``z`` is nearly a standard normal under that,
whatever ``a`` and ``θ`` are: a channel, all its campaigns and their spread then move in one step,
with little data as well as with much.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attribution.density import log_density
from attribution.factors import jit
from attribution.inputs import CHANNEL, EFFECT, SATURATION, SHAPE, Inputs

__all__ = ["Frame", "find_frame", "framed_density", "from_frame", "from_places", "placed_density"]

FLAT = 0.2
"""A direction of less curvature is one that neither data nor priors tell much of."""

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
        # how far a step of w goes, and by which part more the further it is
        stretch = 1.0 - 0.5 * w if w < 0.0 else 1.0 / (1.0 + w / 3.0)
        bend = -0.5 / stretch if w < 0.0 else -stretch / 3.0
        slope = gradient[i]
        value += math.log(stretch) - 0.5 * math.log(count)
        gradient[i] = (slope * stretch + bend) / math.sqrt(count)
        share = prior / (prior + d.fitted_risk[f])
        narrower = shape / count
        gradient[d.at[CHANNEL] + d.fitted_channel[f]] += slope * share
        gradient[d.at[SHAPE]] += slope * (narrower - share - 0.5 * w * narrower * stretch)
        gradient[d.at[SHAPE]] -= 0.5 * narrower * (1.0 + w * bend)
    for i in _saturations(d):
        half = 0.5 * (x[i] - d.prior_mean[i])
        rises = 1.0 / (1.0 + math.exp(-half))
        stretch = rises / _softplus(half)
        value += math.log(stretch)
        gradient[i] = gradient[i] * stretch + 0.5 * (1.0 - rises - stretch)
    return value


@jit
def from_places(x: FloatArray, d: Inputs, due: FloatArray) -> None:
    """Turn places into parameters, in place.

    A Gamma's logarithm, ``δ`` from its mode, is ``w - w²/4`` for ``w < 0`` and ``3 log(1 + w/3)``
    from there, ``w = z / √(a + n)``; both are within a few percent of what makes ``z`` the root of
    the deviance, ``w²/2 = e^δ - 1 - δ``. What a power of saturation takes grows as
    the exponential of an exponential of its log: its place is as the log of a small power, and as
    the root of a large one.
    """
    for f in range(d.fitted):
        prior, shape = _prior(x, d, f)
        count = shape + due[f]
        w = x[d.at[EFFECT] + f] / math.sqrt(count)
        log = w - 0.25 * w * w if w < 0.0 else 3.0 * math.log1p(w / 3.0)
        x[d.at[EFFECT] + f] = log + math.log(count / (prior + d.fitted_risk[f]))
    for i in _saturations(d):
        half = 0.5 * (x[i] - d.prior_mean[i])
        x[i] = d.prior_mean[i] + 2.0 * math.log(_softplus(half))


@jit
def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@jit
def _saturations(d: Inputs) -> Iterable[int]:
    """Where the powers of saturation are, if there are any."""
    first = max(d.at[SATURATION], 0)
    return range(first, first + d.channels * (d.at[SATURATION] >= 0))


@jit
def _prior(x: FloatArray, d: Inputs, f: int) -> tuple[float, float]:
    """Rate and shape of a campaign's Gamma before the data."""
    log_shape = x[d.at[SHAPE]]
    return math.exp(log_shape - x[d.at[CHANNEL] + d.fitted_channel[f]]), math.exp(log_shape)


class Frame(NamedTuple):
    """Axes along which the density is about as wide in each direction, at a place of high density.

    Attributes
    ----------
    due
        About how many conversions are due to each fitted campaign, shape ``(fitted,)``.
    centre
        The place, shape ``(parameter,)``.
    axes
        Symmetric; a place is ``centre + axes @ z``, shape ``(parameter, parameter)``.
    """

    due: FloatArray
    centre: FloatArray
    axes: FloatArray


@jit
def framed_density(z: FloatArray, d: Inputs, frame: Frame, gradient: FloatArray) -> float:
    """The log density along the axes of a frame; its gradient is written to ``gradient``."""
    x = frame.centre + _turned(frame.axes, z)
    of_places = np.empty_like(x)
    value = placed_density(x, d, frame.due, of_places)
    gradient[:] = _turned(frame.axes, of_places)
    return value


@jit
def from_frame(z: FloatArray, d: Inputs, frame: Frame) -> FloatArray:
    """The parameters at ``z`` along the axes of a frame."""
    x = frame.centre + _turned(frame.axes, z)
    from_places(x, d, frame.due)
    return x


@jit
def _turned(axes: FloatArray, z: FloatArray) -> FloatArray:
    """``axes @ z``, without the threads of a library for linear algebra."""
    out = np.empty_like(z)
    for i in range(len(z)):
        total = 0.0
        for j in range(len(z)):
            total += axes[i, j] * z[j]
        out[i] = total
    return out


def find_frame(d: Inputs, log_effect: float) -> Frame:
    """A frame at the highest density; by its curvature, as in Laplace's approximation.

    Parameters
    ----------
    log_effect
        Log of the mean effect of a touch, as the priors have it.
    """
    effects = slice(d.at[EFFECT], d.at[EFFECT] + d.fitted)
    expected = d.fitted_risk * math.exp(log_effect)
    place = _highest(d, expected, d.prior_mean)
    found = place.copy()
    from_places(found, d, expected)
    due = d.fitted_risk * np.exp(found[effects])
    centre = _highest(d, due, place)
    return Frame(due, centre, _axes(d, due, centre))


def _highest(d: Inputs, due: FloatArray, near: FloatArray) -> FloatArray:
    """The place of the highest density but for what all campaigns' effects have in common."""
    start, gradient = near.copy(), np.empty_like(near)
    start[d.at[EFFECT] : d.at[EFFECT] + d.fitted] = 0.0
    bounds = [(-np.inf, np.inf)] * len(start)
    bounds[d.at[SHAPE]] = (start[d.at[SHAPE]],) * 2  # at the highest density all are alike

    def climb(x: FloatArray) -> tuple[float, FloatArray]:
        return -placed_density(x, d, due, gradient), -gradient

    return np.asarray(minimize(climb, start, jac=True, bounds=bounds, options={"maxiter": 200}).x)


def _axes(d: Inputs, due: FloatArray, centre: FloatArray) -> FloatArray:
    """Inverse root of the density's curvature, by differences of its gradient."""
    curvature = np.empty((len(centre), len(centre)))
    above, below = np.empty_like(centre), np.empty_like(centre)
    for i in range(len(centre)):
        step = np.zeros(len(centre))
        step[i] = 1e-4
        placed_density(centre + step, d, due, above)
        placed_density(centre - step, d, due, below)
        curvature[i] = (below - above) / 2e-4
    width, direction = np.linalg.eigh(0.5 * (curvature + curvature.T))
    return np.asarray(direction / np.sqrt(np.maximum(width, FLAT)) @ direction.T)

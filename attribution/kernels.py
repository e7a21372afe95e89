"""How a touch's effect wears off or first rises, exact where only the day of a time is known.

An effect that is strongest at once decays exponentially, ``κ(x) = e^(−x/τ)/τ``. One that rises
first (a webinar is talked about for weeks) is the sum of two such waits, ``x e^(−x/τ)/τ²``, with
half the ``τ`` so that both have the same mean.

A moment known to the day is uniform over that day. What is needed then is the kernel averaged
over a day on either side, which has a closed form: with ``I_0 = κ`` and ``I_n`` its n-th integral
from zero,

    I_1(x) = 1 − e^(−x/τ)
    I_2(x) = x − τ I_1(x)
    I_3(x) = x²/2 − τ I_2(x)            (all 0 for x <= 0)

and, of what rises first, with ``G_0`` its kernel, ``G_n(x) = I_n(x) − τ G_(n−1)(x)``, averaging
over a touch's day is ``I_(n+1)(x) − I_(n+1)(x − 1)`` and over the other end's day
``I_(n+1)(x + 1) − I_(n+1)(x)``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HALF_LIVES_DAYS", "KERNELS", "LEAST_WIDTH", "bump_weights", "exposure", "intensity"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

HALF_LIVES_DAYS: FloatArray = np.array([1.5, 3.0, 6.0, 12.0, 25.0, 50.0])
"""Of the fixed bank; a channel's kernel is a mixture of decays with these half-lives, and of what
rises first with the same means."""
KERNELS = 2 * len(HALF_LIVES_DAYS)
"""Decays, then what rises first."""
LEAST_WIDTH = 0.3
"""Of a bump over the log of the half-life, whose steps are 0.7: a narrower one would jump from one
half-life to the next, and so would the sampler."""


def intensity(
    lag_days: FloatArray,
    touch_day_only: BoolArray,
    end_day_only: BoolArray,
    half_lives_days: FloatArray = HALF_LIVES_DAYS,
) -> FloatArray:
    """Kernel density ``κ_b`` at a lag, averaged over each day that hides the hour.

    Parameters
    ----------
    lag_days
        From touch to conversion, shape ``(pair,)``; a moment known to the day is its start.
    touch_day_only, end_day_only
        Whether only the day is known of the touch and of the conversion, shape ``(pair,)``.
    half_lives_days
        Shape ``(half-life,)``, each > 0.

    Returns
    -------
    Per day, shape ``(pair, kernel)``, two kernels for each half-life, >= 0; each kernel integrates
    to one over all lags.

    Examples
    --------
    A touch on the day of the deal, hours unknown: half of the orders have the touch first.

    >>> same_day = np.array([0.0]), np.array([True]), np.array([True])
    >>> round(float(intensity(*same_day, np.array([1e3]))[0, 0] * 1e3 / np.log(2)), 3)
    0.5
    """
    return _averaged(0, lag_days, touch_day_only, end_day_only, half_lives_days)


def exposure(
    lag_days: FloatArray,
    touch_day_only: BoolArray,
    end_day_only: BoolArray,
    half_lives_days: FloatArray = HALF_LIVES_DAYS,
) -> FloatArray:
    """Integral of the kernel from a touch to the end of its risk, ``1 − e^(−lag/τ)`` if exact.

    Parameters and shapes are those of :func:`intensity`.

    Returns
    -------
    Unitless, in [0, 1], shape ``(pair, kernel)``.
    """
    risk = _averaged(1, lag_days, touch_day_only, end_day_only, half_lives_days)
    return np.minimum(risk, 1.0, out=risk)


def bump_weights(peak_log_days: FloatArray, width: FloatArray, rise: FloatArray) -> FloatArray:
    """Weights over the bank shaped as one bump on the log of the half-life.

    Parameters
    ----------
    peak_log_days, width
        Log of the half-life at the peak, and what the bump's standard deviation is beyond
        :data:`LEAST_WIDTH`, by squares; shape ``(...)``.
    rise
        Share of what rises first, in [0, 1], shape ``(...)``.

    Returns
    -------
    Shape ``(..., kernel)``; sums to one over the last axis.
    """
    width = np.hypot(LEAST_WIDTH, width)
    steps = (np.log(HALF_LIVES_DAYS) - peak_log_days[..., None]) / width[..., None]
    weights = -0.5 * steps**2
    weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    later = np.asarray(rise)[..., None]
    return np.concatenate((weights * (1.0 - later), weights * later), axis=-1)


def _averaged(
    order: int, lag: FloatArray, touch_wide: BoolArray, end_wide: BoolArray, half_lives: FloatArray
) -> FloatArray:
    out = np.empty((len(lag), 2 * len(half_lives)))
    taus = [(_integral, tau) for tau in half_lives / np.log(2)]
    taus += [(_rising_integral, tau / 2) for tau in half_lives / np.log(2)]
    for b, (of, tau) in enumerate(taus):

        def integral(n: int, x: FloatArray, of: Any = of, tau: float = float(tau)) -> FloatArray:
            return np.asarray(of(n, x, tau))

        out[:, b] = _differences(integral, order, lag, touch_wide, end_wide)
    return np.maximum(out, 0.0, out=out)


def _integral(n: int, x: FloatArray, tau: float) -> FloatArray:
    if n == 0:
        decay = np.exp(-np.maximum(x, 0.0) / tau) / tau
        return np.where(x >= 0, decay, 0.0)
    x = np.maximum(x, 0.0)
    value = -np.expm1(-x / tau)
    for power in range(1, n):
        value = x**power / power - tau * value
    return np.asarray(value)


def _rising_integral(n: int, x: FloatArray, tau: float) -> FloatArray:
    value = np.maximum(x, 0.0) / tau * _integral(0, x, tau)
    for order in range(1, n + 1):
        value = _integral(order, x, tau) - tau * value
    return np.asarray(value)


def _differences(
    integral: Callable[[int, FloatArray], FloatArray],
    order: int,
    x: FloatArray,
    start_wide: BoolArray,
    end_wide: BoolArray,
) -> FloatArray:
    """``integral(order, x)``, averaged over the day before or after ``x`` where that is unknown."""
    x = np.asarray(x, dtype=np.float64)
    if not (start_wide.any() or end_wide.any()):
        return integral(order, x)
    out = np.empty(len(x))
    for start in (False, True):
        for end in (False, True):
            rows = np.flatnonzero((start_wide == start) & (end_wide == end))
            at = x[rows]
            if start and end:
                f = order + 2
                value = integral(f, at + 1) - 2 * integral(f, at) + integral(f, at - 1)
            elif end:
                value = integral(order + 1, at + 1) - integral(order + 1, at)
            elif start:
                value = integral(order + 1, at) - integral(order + 1, at - 1)
            else:
                value = integral(order, at)
            out[rows] = value
    return out

"""The model's log density and its gradient in one pass, written out for speed.

:func:`attribution.model.build_model` says what the model is; a test holds this to it, value and
gradient. Sampling through PyMC's own graph takes the same steps, but compiles for 15 to 40 seconds
at every run, and two runs with the same seed and data gave different draws. This is compiled once
and kept on disk, and gives the same draws again.
"""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from attribution.inputs import (
    CHANNEL,
    CUSTOMER,
    EFFECT,
    PEAK,
    POWER,
    SATURATION,
    SCALE,
    SEASON,
    SHAPE,
    SYNERGY,
    WIDTH,
    Inputs,
)
from attribution.kernels import HALF_LIVES_DAYS
from attribution.model import SYNERGY_NU

__all__ = ["from_places", "log_density", "placed_density"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FLAGS: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
BANK = len(HALF_LIVES_DAYS)


def _jit[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    compiled: Any
    try:
        compiled = numba.njit(**FLAGS, cache=True)(function)
    except RuntimeError:  # nowhere to write to
        compiled = numba.njit(**FLAGS)(function)
    result: Callable[P, R] = compiled
    return result


@_jit
def log_density(x: FloatArray, d: Inputs, gradient: FloatArray) -> float:
    """Log density at ``x`` up to a constant; its gradient is written to ``gradient``.

    Parameters
    ----------
    x, gradient
        Shape ``(parameter,)``.
    """
    value = _priors(x, d, gradient)
    power = x[d.at[POWER]] if d.at[POWER] >= 0 else 0.0
    activity = np.exp(power * d.levels)
    by_state = np.ones(2)
    if d.at[CUSTOMER] >= 0:
        by_state[1] = math.exp(x[d.at[CUSTOMER]])
    weights, season, multiplier = _weights(x, d), _season(x, d), _multiplier(x, d)
    d_weights, d_state = np.zeros_like(weights), np.zeros(2)
    d_activity, d_season = np.zeros_like(activity), np.zeros_like(season)
    d_log_multiplier = np.zeros_like(multiplier)
    value += _effect_prior(x, d, gradient)
    value += _events(
        x, d, gradient, weights, by_state, season, multiplier,
        d_weights, d_state, d_season, d_log_multiplier,
    )  # fmt: skip
    value += _baseline_risk(x, d, gradient, activity, season, d_activity, d_season)
    value += _risk(
        x, d, gradient, weights, by_state, activity, multiplier,
        d_weights, d_state, d_activity, d_log_multiplier,
    )  # fmt: skip
    value += _lift(
        x, d, gradient, weights, by_state, activity, multiplier,
        d_weights, d_state, d_activity, d_log_multiplier,
    )  # fmt: skip
    if d.at[POWER] >= 0:
        value += power * d.event_levels
        gradient[d.at[POWER]] += d.event_levels
        gradient[d.at[POWER]] += np.sum(d_activity * activity * d.levels)
    if d.at[CUSTOMER] >= 0:
        gradient[d.at[CUSTOMER]] += d_state[1] * by_state[1]
    for j in range(d.calendar.shape[1]):
        gradient[d.at[SEASON] + j] += np.sum(d.calendar[:, j] * season * d_season)
    _to_contexts(x, d, gradient, d_log_multiplier)
    _to_bump(x, d, gradient, weights, d_weights)
    return value


@_jit
def _priors(x: FloatArray, d: Inputs, gradient: FloatArray) -> float:
    """The normal priors, those of channels around their scale, and the t of sequences."""
    value = 0.0
    for i in range(len(x)):
        off = x[i] - d.prior_mean[i]
        value -= 0.5 * d.prior_precision[i] * off * off
        gradient[i] = -d.prior_precision[i] * off
    for i in range(d.at[CHANNEL], d.at[CHANNEL] + d.channels - d.associations):
        off = x[i] - x[d.at[SCALE]]
        value -= 0.5 * d.channel_precision * off * off
        gradient[i] -= d.channel_precision * off
        gradient[d.at[SCALE]] += d.channel_precision * off
    for i in range(d.at[SYNERGY], d.at[SYNERGY] + d.sequences):
        step = x[i] / d.synergy_scale
        value -= 0.5 * (SYNERGY_NU + 1.0) * math.log1p(step * step / SYNERGY_NU)
        gradient[i] -= (SYNERGY_NU + 1.0) * step / (SYNERGY_NU + step * step) / d.synergy_scale
    return value


@_jit
def _season(x: FloatArray, d: Inputs) -> FloatArray:
    log = np.zeros(d.calendar.shape[0])
    for j in range(d.calendar.shape[1]):
        log += d.calendar[:, j] * x[d.at[SEASON] + j]
    return np.exp(log)


@_jit
def _multiplier(x: FloatArray, d: Inputs) -> FloatArray:
    """What a touch's effect is multiplied by in each context."""
    log = np.zeros(len(d.log_repeats))
    for g in range(len(log)):
        if d.at[SATURATION] >= 0 and d.log_repeats[g] != 0.0:
            power = math.exp(x[d.at[SATURATION] + d.context_channel[g]])
            log[g] -= power * d.log_repeats[g]
        for s in range(d.sequences):
            log[g] += d.follows[g, s] * x[d.at[SYNERGY] + s]
    return np.exp(log)


@_jit
def _to_contexts(
    x: FloatArray, d: Inputs, gradient: FloatArray, d_log_multiplier: FloatArray
) -> None:
    """From the gradient by the log of each context's multiplier to what it is made of."""
    for g in range(len(d_log_multiplier)):
        slope = d_log_multiplier[g]
        if d.at[SATURATION] >= 0 and d.log_repeats[g] != 0.0:
            i = d.at[SATURATION] + d.context_channel[g]
            gradient[i] -= math.exp(x[i]) * d.log_repeats[g] * slope
        for s in range(d.sequences):
            gradient[d.at[SYNERGY] + s] += d.follows[g, s] * slope


@_jit
def placed_density(x: FloatArray, d: Inputs, knee: FloatArray, gradient: FloatArray) -> float:
    """The same density in places that are easier to walk than the parameters; see ``from_places``.

    Parameters
    ----------
    x, gradient
        Places, and what the density changes by with each.
    knee
        Of each fitted effect's log, shape ``(fitted,)``.
    """
    y = x.copy()
    from_places(y, d, knee)
    value = log_density(y, d, gradient)
    for i in range(d.at[EFFECT], d.at[EFFECT] + d.fitted):
        v = x[i]
        if v < 0.0:
            value += math.log1p(-v)
            gradient[i] = gradient[i] * (1.0 - v) - 1.0 / (1.0 - v)
    return value


@_jit
def from_places(x: FloatArray, d: Inputs, knee: FloatArray) -> None:
    """Turn places into parameters, in place.

    The log of an effect that may be zero has a long left tail. In its place stands ``v``: the log
    is ``knee + v`` above the knee and ``knee + v − v²/2`` below it, so that the tail is short.
    """
    for f in range(d.fitted):
        v = x[d.at[EFFECT] + f]
        x[d.at[EFFECT] + f] = knee[f] + v - (0.5 * v * v if v < 0.0 else 0.0)


@_jit
def _weights(x: FloatArray, d: Inputs) -> FloatArray:
    weights = np.empty((d.channels, len(d.log_half_lives)))
    for c in range(d.channels):
        step = (d.log_half_lives - x[d.at[PEAK] + c]) * math.exp(-x[d.at[WIDTH] + c])
        weight = np.exp(-0.5 * (step**2 - np.min(step**2)))
        weights[c] = weight / np.sum(weight)
    return weights


@_jit
def _to_bump(
    x: FloatArray, d: Inputs, gradient: FloatArray, weights: FloatArray, d_weights: FloatArray
) -> None:
    """From the weights' gradient to that of each bump's peak and width."""
    for c in range(d.channels):
        width = math.exp(x[d.at[WIDTH] + c])
        mean = np.sum(weights[c] * d_weights[c])
        for b in range(len(d.log_half_lives)):
            d_logit = weights[c, b] * (d_weights[c, b] - mean)
            step = (d.log_half_lives[b] - x[d.at[PEAK] + c]) / width
            gradient[d.at[PEAK] + c] += d_logit * step / width
            gradient[d.at[WIDTH] + c] += d_logit * step * step


@_jit
def _effect_prior(x: FloatArray, d: Inputs, gradient: FloatArray) -> float:
    """The fitted campaigns' effects are Gamma, here of their logs."""
    log_shape = x[d.at[SHAPE]]
    shape = math.exp(log_shape)
    campaigns = d.fitted - d.associations
    value = -campaigns * math.lgamma(shape)
    d_shape = -campaigns * _digamma(shape)
    for u in range(len(d.unit_channel)):
        f, c = d.fitted_of_unit[u], d.unit_channel[u]
        if f < 0 or f >= campaigns:
            continue
        relative = x[d.at[EFFECT] + f] - x[d.at[CHANNEL] + c]
        term = relative - math.exp(relative) + log_shape
        value += shape * term
        d_shape += term + 1.0
        slope = shape * (1.0 - math.exp(relative))
        gradient[d.at[EFFECT] + f] += slope
        gradient[d.at[CHANNEL] + c] -= slope
    gradient[d.at[SHAPE]] += shape * d_shape
    return value


@_jit
def _events(
    x: FloatArray,
    d: Inputs,
    gradient: FloatArray,
    weights: FloatArray,
    by_state: FloatArray,
    season: FloatArray,
    multiplier: FloatArray,
    d_weights: FloatArray,
    d_state: FloatArray,
    d_season: FloatArray,
    d_log_multiplier: FloatArray,
) -> float:
    """Sum of the log rates at the conversions, but for the accounts' activity."""
    value, product = 0.0, 1.0
    effect = np.exp(x[d.at[EFFECT] : d.at[EFFECT] + d.fitted])
    baseline = np.exp(x[: d.risk_days.shape[0]])
    mixed = np.empty(max(np.max(d.first_row[1:] - d.first_row[:-1]), 1))
    for i in range(len(d.state)):
        first, last = d.first_row[i], d.first_row[i + 1]
        touched = 0.0
        for p in range(first, last):
            mixture = 0.0
            g = d.row_context[p]
            for b in range(BANK):
                mixture += d.kernels[p, b] * weights[d.context_channel[g], b]
            mixed[p - first] = mixture * multiplier[g]
            touched += mixed[p - first] * effect[d.row_fitted[p]]
        scale = by_state[d.state[i]]
        base = baseline[d.baseline[i]]
        rate = base * season[d.day[i]] + scale * touched
        inverse = 1.0 / rate
        product *= rate  # one logarithm serves many conversions
        if product < 1e-200 or product > 1e200:
            value += math.log(product / rate) + math.log(rate)
            product = 1.0
        gradient[d.baseline[i]] += base * season[d.day[i]] * inverse
        d_season[d.day[i]] += base * inverse
        d_state[d.state[i]] += touched * inverse
        for p in range(first, last):
            f, g = d.row_fitted[p], d.row_context[p]
            slope = scale * effect[f] * inverse
            gradient[d.at[EFFECT] + f] += slope * mixed[p - first]
            d_log_multiplier[g] += slope * mixed[p - first]
            for b in range(BANK):
                d_weights[d.context_channel[g], b] += slope * multiplier[g] * d.kernels[p, b]
    return value + math.log(product)


@_jit
def _risk(
    x: FloatArray,
    d: Inputs,
    gradient: FloatArray,
    weights: FloatArray,
    by_state: FloatArray,
    activity: FloatArray,
    multiplier: FloatArray,
    d_weights: FloatArray,
    d_state: FloatArray,
    d_activity: FloatArray,
    d_log_multiplier: FloatArray,
) -> float:
    """Minus the integral of the touches' part of the rate over all accounts' time at risk."""
    states, levels, rows, _ = d.exposures.shape
    flat = d.exposures.reshape((states * levels, rows * BANK))  # long loops, for the vector units
    total = np.zeros((rows, BANK))
    summed = total.reshape(rows * BANK)
    for i in range(states * levels):
        scale = by_state[i // levels] * activity[i % levels]
        for j in range(rows * BANK):
            summed[j] += scale * flat[i, j]
    of_row, at_risk = np.zeros(rows), np.zeros(len(d.unit_channel))
    for r in range(rows):
        g = d.exposure_context[r]
        for b in range(BANK):
            of_row[r] += total[r, b] * weights[d.context_channel[g], b]
        of_row[r] *= multiplier[g]
        at_risk[d.exposure_unit[r]] += of_row[r]
    value, per_risk = _unit_risk(x, d, gradient, at_risk)
    slope = np.empty((rows, BANK))
    for r in range(rows):
        g = d.exposure_context[r]
        by_risk = per_risk[d.exposure_unit[r]]
        d_log_multiplier[g] += by_risk * of_row[r]
        for b in range(BANK):
            d_weights[d.context_channel[g], b] += by_risk * multiplier[g] * total[r, b]
            slope[r, b] = by_risk * multiplier[g] * weights[d.context_channel[g], b]
    slopes = slope.reshape(rows * BANK)
    for i in range(states * levels):
        part = 0.0
        for j in range(rows * BANK):
            part += slopes[j] * flat[i, j]
        d_state[i // levels] += activity[i % levels] * part
        d_activity[i % levels] += by_state[i // levels] * part
    return value


@_jit
def _lift(
    x: FloatArray,
    d: Inputs,
    gradient: FloatArray,
    weights: FloatArray,
    by_state: FloatArray,
    activity: FloatArray,
    multiplier: FloatArray,
    d_weights: FloatArray,
    d_state: FloatArray,
    d_activity: FloatArray,
    d_log_multiplier: FloatArray,
) -> float:
    """Log density of what lift tests found, given what the model has their touches add."""
    value = 0.0
    added = np.empty(len(d.lift_fitted))
    for k in range(len(d.lift_found)):
        first, last = d.lift_first[k], d.lift_first[k + 1]
        for r in range(first, last):
            g = d.lift_context[r]
            mixture = np.sum(d.lift_sums[r] * weights[d.context_channel[g]])
            scale = by_state[d.lift_state[r]] * activity[d.lift_activity[r]] * multiplier[g]
            added[r] = mixture * scale * math.exp(x[d.at[EFFECT] + d.lift_fitted[r]])
        off = (d.lift_found[k] - np.sum(added[first:last])) / d.lift_error[k]
        value -= 0.5 * off * off
        slope = off / d.lift_error[k]
        for r in range(first, last):
            g, s, a = d.lift_context[r], d.lift_state[r], d.lift_activity[r]
            change = slope * added[r]
            gradient[d.at[EFFECT] + d.lift_fitted[r]] += change
            d_log_multiplier[g] += change
            d_state[s] += change / by_state[s]
            d_activity[a] += change / activity[a]
            scale = by_state[s] * activity[a] * multiplier[g]
            scale *= slope * math.exp(x[d.at[EFFECT] + d.lift_fitted[r]])
            for b in range(BANK):
                d_weights[d.context_channel[g], b] += scale * d.lift_sums[r, b]
    return value


@_jit
def _unit_risk(
    x: FloatArray, d: Inputs, gradient: FloatArray, at_risk: FloatArray
) -> tuple[float, FloatArray]:
    """By campaign what its touches' risk takes, and its derivative; some are integrated out."""
    value, per_risk = 0.0, np.empty(len(at_risk))
    shape = math.exp(x[d.at[SHAPE]])
    for u in range(len(at_risk)):
        f = d.fitted_of_unit[u]
        if f >= 0:
            mean = math.exp(x[d.at[EFFECT] + f])
            value -= mean * at_risk[u]
            gradient[d.at[EFFECT] + f] -= mean * at_risk[u]
            per_risk[u] = -mean
            continue
        channel_at = d.at[CHANNEL] + d.unit_channel[u]
        mean = math.exp(x[channel_at])
        relative = mean * at_risk[u] / shape
        none = shape * math.log1p(relative)
        value -= none
        per_risk[u] = -mean / (1.0 + relative)
        gradient[channel_at] += per_risk[u] * at_risk[u]
        gradient[d.at[SHAPE]] -= none + per_risk[u] * at_risk[u]
    return value, per_risk


@_jit
def _baseline_risk(
    x: FloatArray,
    d: Inputs,
    gradient: FloatArray,
    activity: FloatArray,
    season: FloatArray,
    d_activity: FloatArray,
    d_season: FloatArray,
) -> float:
    value = 0.0
    for g in range(d.risk_days.shape[0]):
        rate = math.exp(x[g])
        for k in range(len(activity)):
            days = np.sum(d.risk_days[g, k] * season)
            value -= rate * activity[k] * days
            gradient[g] -= rate * activity[k] * days
            d_activity[k] -= rate * days
            d_season -= rate * activity[k] * d.risk_days[g, k]
    return value


@_jit
def _digamma(x: float) -> float:
    """Derivative of the log of the Gamma function, x > 0, to about 1e-12."""
    value = 0.0
    while x < 8.0:
        value -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))
    return value + math.log(x) - 0.5 / x - series

"""The model's log density and its gradient in one pass, written out for speed.

:func:`attribution.model.build_model` says what the model is; a test holds this to it, value and
gradient. Sampling through PyMC's own graph takes the same steps, but compiles for 15 to 40 seconds
at every run, and two runs with the same seed and data gave different draws. This is compiled once
and kept on disk, and gives the same draws again.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from attribution.features import Features
from attribution.kernels import HALF_LIVES_DAYS
from attribution.model import (
    Priors,
    centres,
    fitted_units,
    has_customers,
    variables,
)

__all__ = ["Inputs", "build_inputs", "from_places", "log_density", "placed_density"]

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


class Inputs(NamedTuple):
    """What the density needs of the features; parameters lie in ``x`` as ``variables`` orders them.

    ``first_pair`` has one entry more than there are conversions: the pairs of conversion ``i`` are
    those from ``first_pair[i]`` to ``first_pair[i + 1]``. ``event_levels`` is the sum over
    conversions. ``fitted_of_unit`` is -1 where a campaign is integrated out. ``prior_precision`` is
    0 where the prior is no normal.
    """

    first_pair: IntArray
    pair_fitted: IntArray
    pair_channel: IntArray
    kernels: FloatArray
    state: IntArray
    baseline: IntArray
    levels: FloatArray
    event_levels: float
    risk_days: FloatArray
    exposures: FloatArray
    unit_channel: IntArray
    fitted_of_unit: IntArray
    log_half_lives: FloatArray
    prior_mean: FloatArray
    prior_precision: FloatArray
    channels: int
    fitted: int


def build_inputs(features: Features, priors: Priors) -> Inputs:
    """Arrays of the features in the layout that the density walks through."""
    fitted = fitted_units(features)
    fitted_of_unit = np.full(len(features.unit_channel), -1)
    fitted_of_unit[fitted] = np.arange(len(fitted))
    means, precisions = [], []
    shift = dict(zip(("log_baseline", "log_channel_effect"), centres(features), strict=True))
    for name, size in variables(features).items():
        mean, sd = priors.get(name, (0.0, math.inf))
        means.append(np.full(size, mean + shift.get(name, 0.0)))
        precisions.append(np.full(size, 1.0 / sd**2))
    states = 2 if has_customers(features) else 1
    conversions = len(features.state)
    return Inputs(
        first_pair=np.searchsorted(features.conversion, np.arange(conversions + 1)),
        pair_fitted=fitted_of_unit[features.unit],
        pair_channel=features.unit_channel[features.unit],
        kernels=np.ascontiguousarray(features.kernels),
        state=features.state.astype(np.int64),
        baseline=features.baseline.astype(np.int64),
        levels=features.activity_levels,
        event_levels=float(features.activity_levels[features.activity].sum()),
        risk_days=features.risk_days,
        exposures=np.ascontiguousarray(features.exposures[:states]),
        unit_channel=features.unit_channel,
        fitted_of_unit=fitted_of_unit,
        log_half_lives=np.log(HALF_LIVES_DAYS),
        prior_mean=np.concatenate(means),
        prior_precision=np.concatenate(precisions),
        channels=len(features.channels),
        fitted=len(fitted),
    )


@_jit
def log_density(x: FloatArray, d: Inputs, gradient: FloatArray) -> float:
    """Log density at ``x`` up to a constant; its gradient is written to ``gradient``.

    Parameters
    ----------
    x, gradient
        Shape ``(parameter,)``.
    """
    baselines, channels, fitted = d.risk_days.shape[0], d.channels, d.fitted
    shape_at = baselines + channels
    effect_at = shape_at + 1 + 2 * channels
    at = effect_at + fitted
    has_power = len(d.levels) > 1
    power_at, customer_at = (at if has_power else -1), (at + 1 if has_power else at)
    if d.exposures.shape[0] == 1:
        customer_at = -1

    value = 0.0
    for i in range(len(x)):
        off = x[i] - d.prior_mean[i]
        value -= 0.5 * d.prior_precision[i] * off * off
        gradient[i] = -d.prior_precision[i] * off
    power = x[power_at] if power_at >= 0 else 0.0
    activity = np.exp(power * d.levels)
    by_state = np.ones(2)
    if customer_at >= 0:
        by_state[1] = math.exp(x[customer_at])
    weights = _weights(x, d, shape_at + 1)
    d_weights, d_state = np.zeros_like(weights), np.zeros(2)
    d_activity = np.zeros_like(activity)
    value += _effect_prior(x, d, gradient, baselines, shape_at, effect_at)
    value += _events(x, d, gradient, weights, by_state, d_weights, d_state, effect_at)
    value += _risk(
        x, d, gradient, weights, by_state, activity, d_weights, d_state, d_activity, effect_at
    )
    if power_at >= 0:
        value += power * d.event_levels
        gradient[power_at] += d.event_levels
        gradient[power_at] += np.sum(d_activity * activity * d.levels)
    if customer_at >= 0:
        gradient[customer_at] += d_state[1] * by_state[1]
    _to_bump(x, d, gradient, weights, d_weights, shape_at + 1)
    return value


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
    effect_at = d.risk_days.shape[0] + 3 * d.channels + 1
    for i in range(effect_at, effect_at + d.fitted):
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
    effect_at = d.risk_days.shape[0] + 3 * d.channels + 1
    for f in range(d.fitted):
        v = x[effect_at + f]
        x[effect_at + f] = knee[f] + v - (0.5 * v * v if v < 0.0 else 0.0)


@_jit
def _weights(x: FloatArray, d: Inputs, peak_at: int) -> FloatArray:
    weights = np.empty((d.channels, len(d.log_half_lives)))
    for c in range(d.channels):
        step = (d.log_half_lives - x[peak_at + c]) * math.exp(-x[peak_at + d.channels + c])
        weight = np.exp(-0.5 * (step**2 - np.min(step**2)))
        weights[c] = weight / np.sum(weight)
    return weights


@_jit
def _to_bump(
    x: FloatArray,
    d: Inputs,
    gradient: FloatArray,
    weights: FloatArray,
    d_weights: FloatArray,
    peak_at: int,
) -> None:
    """From the weights' gradient to that of each bump's peak and width."""
    for c in range(d.channels):
        width = math.exp(x[peak_at + d.channels + c])
        mean = np.sum(weights[c] * d_weights[c])
        for b in range(len(d.log_half_lives)):
            d_logit = weights[c, b] * (d_weights[c, b] - mean)
            step = (d.log_half_lives[b] - x[peak_at + c]) / width
            gradient[peak_at + c] += d_logit * step / width
            gradient[peak_at + d.channels + c] += d_logit * step * step


@_jit
def _effect_prior(
    x: FloatArray, d: Inputs, gradient: FloatArray, channel_at: int, shape_at: int, effect_at: int
) -> float:
    """The fitted campaigns' effects are Gamma, here of their logs."""
    log_shape = x[shape_at]
    shape = math.exp(log_shape)
    value = -d.fitted * math.lgamma(shape)
    d_shape = -d.fitted * _digamma(shape)
    for u in range(len(d.unit_channel)):
        f, c = d.fitted_of_unit[u], d.unit_channel[u]
        if f < 0:
            continue
        relative = x[effect_at + f] - x[channel_at + c]
        term = relative - math.exp(relative) + log_shape
        value += shape * term
        d_shape += term + 1.0
        slope = shape * (1.0 - math.exp(relative))
        gradient[effect_at + f] += slope
        gradient[channel_at + c] -= slope
    gradient[shape_at] += shape * d_shape
    return value


@_jit
def _events(
    x: FloatArray,
    d: Inputs,
    gradient: FloatArray,
    weights: FloatArray,
    by_state: FloatArray,
    d_weights: FloatArray,
    d_state: FloatArray,
    effect_at: int,
) -> float:
    """Sum of the log rates at the conversions, but for the accounts' activity."""
    value, product = 0.0, 1.0
    effect = np.exp(x[effect_at : effect_at + d.fitted])
    baseline = np.exp(x[: d.risk_days.shape[0]])
    mixed = np.empty(max(np.max(d.first_pair[1:] - d.first_pair[:-1]), 1))
    for i in range(len(d.state)):
        first, last = d.first_pair[i], d.first_pair[i + 1]
        touched = 0.0
        for p in range(first, last):
            mixture = 0.0
            for b in range(BANK):
                mixture += d.kernels[p, b] * weights[d.pair_channel[p], b]
            mixed[p - first] = mixture
            touched += mixture * effect[d.pair_fitted[p]]
        scale = by_state[d.state[i]]
        base = baseline[d.baseline[i]]
        rate = base + scale * touched
        inverse = 1.0 / rate
        product *= rate  # one logarithm serves many conversions
        if product < 1e-200 or product > 1e200:
            value += math.log(product / rate) + math.log(rate)
            product = 1.0
        gradient[d.baseline[i]] += base * inverse
        d_state[d.state[i]] += touched * inverse
        for p in range(first, last):
            f, c = d.pair_fitted[p], d.pair_channel[p]
            slope = scale * effect[f] * inverse
            gradient[effect_at + f] += slope * mixed[p - first]
            for b in range(BANK):
                d_weights[c, b] += slope * d.kernels[p, b]
    return value + math.log(product)


@_jit
def _risk(
    x: FloatArray,
    d: Inputs,
    gradient: FloatArray,
    weights: FloatArray,
    by_state: FloatArray,
    activity: FloatArray,
    d_weights: FloatArray,
    d_state: FloatArray,
    d_activity: FloatArray,
    effect_at: int,
) -> float:
    """Minus the integral of the rate over all accounts' time at risk."""
    value = _baseline_risk(x, d, gradient, activity, d_activity)
    states, levels, units, _ = d.exposures.shape
    baselines = d.risk_days.shape[0]
    shape_at = baselines + d.channels
    shape = math.exp(x[shape_at])
    slope = np.empty((units, BANK))
    total = np.zeros((units, BANK))
    for s in range(states):
        for k in range(levels):
            scale = by_state[s] * activity[k]
            for u in range(units):
                for b in range(BANK):
                    total[u, b] += scale * d.exposures[s, k, u, b]
    for u in range(units):
        c, f = d.unit_channel[u], d.fitted_of_unit[u]
        at_risk = 0.0
        for b in range(BANK):
            at_risk += total[u, b] * weights[c, b]
        if f >= 0:
            mean = math.exp(x[effect_at + f])
            value -= mean * at_risk
            gradient[effect_at + f] -= mean * at_risk
            per_risk = -mean
        else:
            mean = math.exp(x[baselines + c])
            relative = mean * at_risk / shape
            none = shape * math.log1p(relative)
            value -= none
            per_risk = -mean / (1.0 + relative)
            gradient[baselines + c] += per_risk * at_risk
            gradient[shape_at] -= none + per_risk * at_risk
        for b in range(BANK):
            d_weights[c, b] += per_risk * total[u, b]
            slope[u, b] = per_risk * weights[c, b]
    for s in range(states):
        for k in range(levels):
            part = 0.0
            for u in range(units):
                for b in range(BANK):
                    part += slope[u, b] * d.exposures[s, k, u, b]
            d_state[s] += activity[k] * part
            d_activity[k] += by_state[s] * part
    return value


@_jit
def _baseline_risk(
    x: FloatArray, d: Inputs, gradient: FloatArray, activity: FloatArray, d_activity: FloatArray
) -> float:
    value = 0.0
    for g in range(d.risk_days.shape[0]):
        rate = math.exp(x[g])
        for k in range(len(activity)):
            expected = rate * activity[k] * d.risk_days[g, k]
            value -= expected
            gradient[g] -= expected
            d_activity[k] -= rate * d.risk_days[g, k]
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

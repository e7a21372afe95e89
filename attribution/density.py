"""The model's log density and its gradient in one pass, written out for speed.

:func:`attribution.model.build_model` says what the model is; a test holds this to it, value and
gradient. Sampling through PyMC's own graph takes the same steps, but compiles for 15 to 40 seconds
at every run, and two runs with the same seed and data gave different draws. This is compiled once
and kept on disk, and gives the same draws again.
"""

import math

import numpy as np
from numpy.typing import NDArray

from attribution.factors import (
    digamma,
    jit,
    kernel_weights,
    multipliers,
    seasons,
    to_bump,
    to_contexts,
)
from attribution.inputs import (
    CAUSED,
    CHANNEL,
    CURVE,
    CUSTOMER,
    EFFECT,
    POWER,
    SCALE,
    SEASON,
    SHAPE,
    SYNERGY,
    Inputs,
)
from attribution.kernels import KERNELS

__all__ = ["log_density"]

FloatArray = NDArray[np.float64]


@jit
def log_density(x: FloatArray, d: Inputs, gradient: FloatArray) -> float:
    """Log density at ``x`` up to a constant; its gradient is written to ``gradient``.

    Parameters
    ----------
    x, gradient
        Shape ``(parameter,)``.
    """
    value = _priors(x, d, gradient)
    activity = np.ones_like(d.levels)
    if d.at[POWER] >= 0:
        activity = np.exp(d.levels * (x[d.at[POWER]] + x[d.at[CURVE]] * d.levels))
    by_state = np.ones(2)
    if d.at[CUSTOMER] >= 0:
        by_state[1] = math.exp(x[d.at[CUSTOMER]])
    weights, season, multiplier = kernel_weights(x, d), seasons(x, d), multipliers(x, d)
    d_weights, d_state = np.zeros_like(weights), np.zeros(2)
    d_activity, d_season = np.zeros_like(activity), np.zeros_like(season)
    at_nodes, d_nodes = activity[d.nodes], np.zeros(len(d.nodes))
    d_log_multiplier = np.zeros_like(multiplier)
    value += _effect_prior(x, d, gradient)
    value += _events(
        x, d, gradient, weights, by_state, season, multiplier,
        d_weights, d_state, d_season, d_log_multiplier,
    )  # fmt: skip
    value += _baseline_risk(x, d, gradient, activity, season, d_activity, d_season)
    value += _risk(
        x, d, gradient, weights, by_state, at_nodes, multiplier,
        d_weights, d_state, d_nodes, d_log_multiplier,
    )  # fmt: skip
    d_activity[d.nodes] += d_nodes
    value += _lift(
        x, d, gradient, weights, by_state, activity, multiplier,
        d_weights, d_state, d_activity, d_log_multiplier,
    )  # fmt: skip
    if d.at[POWER] >= 0:
        d_log = d_activity * activity
        value += x[d.at[POWER]] * d.event_levels[0] + x[d.at[CURVE]] * d.event_levels[1]
        gradient[d.at[POWER]] += d.event_levels[0] + np.sum(d_log * d.levels)
        gradient[d.at[CURVE]] += d.event_levels[1] + np.sum(d_log * d.levels**2)
    if d.at[CUSTOMER] >= 0:
        gradient[d.at[CUSTOMER]] += d_state[1] * by_state[1]
    for j in range(d.calendar.shape[1]):
        gradient[d.at[SEASON] + j] += np.sum(d.calendar[:, j] * season * d_season)
    to_contexts(x, d, gradient, d_log_multiplier)
    to_bump(x, d, gradient, weights, d_weights)
    return value


@jit
def _priors(x: FloatArray, d: Inputs, gradient: FloatArray) -> float:
    """The normal priors, those of channels around their scale, and the logistic ones."""
    value = 0.0
    for i in range(len(x)):
        off = x[i] - d.prior_mean[i]
        value -= 0.5 * d.prior_precision[i] * off * off
        gradient[i] = -d.prior_precision[i] * off
    for i in range(d.at[CHANNEL], d.at[CHANNEL] + d.channels):
        off = x[i] - x[d.at[SCALE]]
        value -= 0.5 * d.channel_precision * off * off
        gradient[i] -= d.channel_precision * off
        gradient[d.at[SCALE]] += d.channel_precision * off
    value += _logistic(x, gradient, d.at[SYNERGY], d.sequences, d.synergy_scale)
    return value + _logistic(x, gradient, d.at[CAUSED], d.tested, d.caused_scale)


@jit
def _logistic(x: FloatArray, gradient: FloatArray, first: int, count: int, scale: float) -> float:
    """Logistic priors around zero of some parameters, up to a constant."""
    value = 0.0
    for i in range(first, first + count):
        step = x[i] / scale
        value -= abs(step) + 2.0 * math.log1p(math.exp(-abs(step)))
        gradient[i] -= math.tanh(0.5 * step) / scale
    return value


@jit
def _effect_prior(x: FloatArray, d: Inputs, gradient: FloatArray) -> float:
    """The fitted campaigns' effects are Gamma, here of their logs."""
    log_shape = x[d.at[SHAPE]]
    shape = math.exp(log_shape)
    value = -d.fitted * math.lgamma(shape)
    d_shape = -d.fitted * digamma(shape)
    for u in range(len(d.unit_channel)):
        f, c = d.fitted_of_unit[u], d.unit_channel[u]
        if f < 0:
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


@jit
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
    effect = np.exp(x[d.at[EFFECT] : d.at[EFFECT] + d.fitted])
    mixed, touched = _touched(d, weights, multiplier, effect)
    value, product = 0.0, 1.0
    baseline = np.exp(x[: d.risk_days.shape[0]])
    per_touched = np.empty(len(touched))
    for i in range(len(touched)):
        scale = by_state[d.state[i]]
        base = baseline[d.baseline[i]]
        rate = base * season[d.day[i]] + scale * touched[i]
        inverse = 1.0 / rate
        product *= rate  # one logarithm serves many conversions
        if product < 1e-200 or product > 1e200:
            value += math.log(product / rate) + math.log(rate)
            product = 1.0
        gradient[d.baseline[i]] += base * season[d.day[i]] * inverse
        d_season[d.day[i]] += base * inverse
        d_state[d.state[i]] += touched[i] * inverse
        per_touched[i] = scale * inverse
    slope = np.empty(len(mixed))
    for f in range(d.fitted):
        first, last = d.first_row[f], d.first_row[f + 1]
        for p in range(first, last):
            g = d.row_context[p]
            change = effect[f] * per_touched[d.row_conversion[p]]
            gradient[d.at[EFFECT] + f] += change * mixed[p]
            d_log_multiplier[g] += change * mixed[p]
            slope[p] = change * multiplier[g]
        for b in range(KERNELS):
            total = 0.0
            for p in range(first, last):
                total += slope[p] * d.kernels[b, p]
            d_weights[d.fitted_channel[f], b] += total
    return value + math.log(product)


@jit
def _touched(
    d: Inputs, weights: FloatArray, multiplier: FloatArray, effect: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What each row's touches add to a rate by a unit of effect, and what all add to each rate."""
    mixed, touched = np.zeros(len(d.row_context)), np.zeros(len(d.state))
    for f in range(d.fitted):
        first, last = d.first_row[f], d.first_row[f + 1]
        for b in range(KERNELS):
            weight = weights[d.fitted_channel[f], b]
            for p in range(first, last):
                mixed[p] += weight * d.kernels[b, p]
        for p in range(first, last):
            mixed[p] *= multiplier[d.row_context[p]]
            touched[d.row_conversion[p]] += effect[f] * mixed[p]
    return mixed, touched


@jit
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
    width = d.exposures.shape[1]
    levels = len(activity)
    scale = np.empty((d.channels, width))
    for c in range(d.channels):
        for j in range(width):
            k = j // KERNELS
            scale[c, j] = by_state[k // levels] * activity[k % levels] * weights[c, j % KERNELS]
    value, d_scale, of_row = 0.0, np.zeros_like(scale), np.empty(len(d.exposures))
    for u in range(len(d.unit_channel)):
        c, at_risk = d.unit_channel[u], 0.0
        first, last = d.first_exposure[u], d.first_exposure[u + 1]
        for r in range(first, last):
            total = 0.0
            for j in range(width):
                total += d.exposures[r, j] * scale[c, j]
            of_row[r] = total * multiplier[d.exposure_context[r]]
            at_risk += of_row[r]
        of_unit, per_risk = _unit_risk(x, d, gradient, u, at_risk)
        value += of_unit
        for r in range(first, last):
            g = d.exposure_context[r]
            d_log_multiplier[g] += per_risk * of_row[r]
            slope = per_risk * multiplier[g]
            for j in range(width):
                d_scale[c, j] += slope * d.exposures[r, j]
    for c in range(d.channels):
        for j in range(width):
            k, b = j // KERNELS, j % KERNELS
            s, a = k // levels, k % levels
            d_weights[c, b] += by_state[s] * activity[a] * d_scale[c, j]
            d_state[s] += activity[a] * weights[c, b] * d_scale[c, j]
            d_activity[a] += by_state[s] * weights[c, b] * d_scale[c, j]
    return value


@jit
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
    shares = 1.0 / (1.0 + np.exp(-x[d.at[CAUSED] : d.at[CAUSED] + d.tested]))
    added = np.empty(len(d.lift_fitted))
    for k in range(len(d.lift_found)):
        first, last = d.lift_first[k], d.lift_first[k + 1]
        for r in range(first, last):
            g = d.lift_context[r]
            mixture = np.sum(d.lift_sums[r] * weights[d.context_channel[g]])
            scale = by_state[d.lift_state[r]] * activity[d.lift_activity[r]] * multiplier[g]
            scale *= shares[d.lift_caused[r]]
            added[r] = mixture * scale * math.exp(x[d.at[EFFECT] + d.lift_fitted[r]])
        off = (d.lift_found[k] - np.sum(added[first:last])) / d.lift_error[k]
        value -= 0.5 * off * off
        slope = off / d.lift_error[k]
        for r in range(first, last):
            g, s, a = d.lift_context[r], d.lift_state[r], d.lift_activity[r]
            change = slope * added[r]
            gradient[d.at[EFFECT] + d.lift_fitted[r]] += change
            caused = shares[d.lift_caused[r]]
            gradient[d.at[CAUSED] + d.lift_caused[r]] += change * (1.0 - caused)
            d_log_multiplier[g] += change
            d_state[s] += change / by_state[s]
            d_activity[a] += change / activity[a]
            scale = caused * by_state[s] * activity[a] * multiplier[g]
            scale *= slope * math.exp(x[d.at[EFFECT] + d.lift_fitted[r]])
            for b in range(KERNELS):
                d_weights[d.context_channel[g], b] += scale * d.lift_sums[r, b]
    return value


@jit
def _unit_risk(
    x: FloatArray, d: Inputs, gradient: FloatArray, unit: int, at_risk: float
) -> tuple[float, float]:
    """What the risk of a campaign's touches takes, and its derivative; some are integrated out."""
    f = d.fitted_of_unit[unit]
    if f >= 0:
        mean = math.exp(x[d.at[EFFECT] + f])
        gradient[d.at[EFFECT] + f] -= mean * at_risk
        return -mean * at_risk, -mean
    shape = math.exp(x[d.at[SHAPE]])
    channel_at = d.at[CHANNEL] + d.unit_channel[unit]
    mean = math.exp(x[channel_at])
    relative = mean * at_risk / shape
    none = shape * math.log1p(relative)
    per_risk = -mean / (1.0 + relative)
    gradient[channel_at] += per_risk * at_risk
    gradient[d.at[SHAPE]] -= none + per_risk * at_risk
    return -none, per_risk


@jit
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

"""What the density of the model walks through: arrays of the features, and where parameters lie."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attribution.features import Features
from attribution.kernels import HALF_LIVES_DAYS, KERNELS
from attribution.model import (
    Priors,
    centres,
    context_design,
    fitted_units,
    has_customers,
    season_design,
    variables,
)

__all__ = [
    "BASELINE", "CAUSED", "CHANNEL", "CURVE", "CUSTOMER", "EFFECT", "PEAK", "POWER", "RISE",
    "SATURATION", "SCALE", "SEASON", "SHAPE", "SYNERGY", "WIDTH", "Inputs", "build_inputs",
]  # fmt: skip

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
IndexArray = NDArray[np.uint32]  # never negative: no check for what counts from the end
SingleArray = NDArray[np.float32]


TOLD = 0.2
"""What data tell of an effect is less than if they said whose each conversion is. Of this part,
against 0.1 and 0.4, draws were worth the most at 200 campaigns."""


class Inputs(NamedTuple):
    """What the density needs of the features.

    ``at`` is where each parameter of ``PARAMETERS`` begins in ``x``, -1 for those left out.
    Rows and exposures are by campaign, so that long loops have one channel and the vector units
    work: ``kernels`` has shape ``(kernel, row)``, and the rows of fitted campaign ``f`` are those
    from ``first_row[f]`` to ``first_row[f + 1]``; so it is with ``first_exposure`` and campaigns,
    and with ``lift_first`` and lift tests. ``exposures`` has shape ``(exposure, state * node *
    kernel)``. ``event_levels`` are the sums of ``z`` and of its square over conversions.
    ``fitted_risk`` is about how many touches with all their time at risk would tell as much of each
    campaign's effect as the data do. ``fitted_of_unit`` is -1 where a campaign is integrated out.
    ``prior_precision`` is 0 where the prior is not a normal around what is known beforehand.
    """

    at: IntArray
    first_row: IndexArray
    row_conversion: IndexArray
    row_context: IndexArray
    kernels: SingleArray
    fitted_channel: IntArray
    fitted_risk: FloatArray
    state: IntArray
    baseline: IntArray
    day: IntArray
    calendar: FloatArray
    levels: FloatArray
    nodes: IntArray
    event_levels: FloatArray
    risk_days: FloatArray
    first_exposure: IndexArray
    exposure_context: IndexArray
    exposures: SingleArray
    context_channel: IntArray
    log_repeats: FloatArray
    follows: FloatArray
    unit_channel: IntArray
    fitted_of_unit: IntArray
    log_half_lives: FloatArray
    prior_mean: FloatArray
    prior_precision: FloatArray
    channel_precision: float
    synergy_scale: float
    caused_scale: float
    channels: int
    fitted: int
    sequences: int
    tested: int
    lift_first: IntArray
    lift_found: FloatArray
    lift_error: FloatArray
    lift_state: IntArray
    lift_activity: IntArray
    lift_fitted: IntArray
    lift_context: IntArray
    lift_caused: IntArray
    lift_sums: SingleArray


PARAMETERS = (
    "log_baseline", "log_effect_scale", "log_channel_effect", "log_effect_shape",
    "kernel_log_peak", "kernel_log_width", "kernel_rise", "log_effect", "season",
    "activity_power", "activity_curve", "log_customer_effect", "log_saturation", "synergy",
    "logit_caused",
)  # fmt: skip
BASELINE, SCALE, CHANNEL, SHAPE, PEAK, WIDTH, RISE, EFFECT = range(8)
SEASON, POWER, CURVE, CUSTOMER, SATURATION, SYNERGY, CAUSED = range(8, 15)


def build_inputs(features: Features, priors: Priors) -> Inputs:
    """Arrays of the features in the layout that the density walks through."""
    fitted, lift = fitted_units(features), features.lift
    fitted_of_unit = np.full(len(features.unit_channel), -1)
    fitted_of_unit[fitted] = np.arange(len(fitted))
    sizes = variables(features)
    begins = dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    prior_mean, prior_precision = _normal_priors(features, priors)
    log_repeats, follows = context_design(features)
    known = features.activity_levels[features.activity]
    states = 2 if has_customers(features) else 1
    return Inputs(
        at=np.array([begins.get(name, -1) for name in PARAMETERS]),
        **_by_campaign(features, fitted, fitted_of_unit, states),
        state=features.state.astype(np.int64),
        baseline=features.baseline.astype(np.int64),
        day=features.day.astype(np.int64),
        calendar=np.asfortranarray(season_design(features)),
        levels=features.activity_levels,
        nodes=features.activity_nodes,
        event_levels=np.array([np.sum(known), np.sum(known**2)]),
        risk_days=np.ascontiguousarray(features.risk_days),
        context_channel=features.contexts.channel,
        log_repeats=log_repeats,
        follows=np.ascontiguousarray(follows),
        unit_channel=features.unit_channel,
        fitted_of_unit=fitted_of_unit,
        log_half_lives=np.log(HALF_LIVES_DAYS),
        prior_mean=prior_mean,
        prior_precision=prior_precision,
        channel_precision=1.0 / priors["log_channel_effect"][1] ** 2,
        synergy_scale=priors["synergy"][1],
        caused_scale=priors["logit_caused"][1],
        channels=len(features.channels),
        fitted=len(fitted),
        sequences=follows.shape[1],
        tested=len(lift.channels),
        lift_first=np.searchsorted(lift.row_test, np.arange(len(lift.tests) + 1)),
        lift_found=lift.found,
        lift_error=lift.standard_error,
        lift_state=np.minimum(lift.state, states - 1),
        lift_activity=lift.activity,
        lift_fitted=fitted_of_unit[lift.unit],
        lift_context=lift.context,
        lift_caused=np.searchsorted(lift.channels, features.unit_channel[lift.unit]),
        lift_sums=np.ascontiguousarray(lift.sums),
    )


def _by_campaign(
    features: Features, fitted: IntArray, fitted_of_unit: IntArray, states: int
) -> dict[str, Any]:
    """Rows and exposures, in the order of campaigns."""
    row_fitted = fitted_of_unit[features.row_unit]
    rows = np.lexsort((features.row_context, row_fitted))
    order = np.argsort(features.exposure_unit, kind="stable")
    exposures = features.exposures[:states, :, order].transpose(2, 0, 1, 3)
    width = states * len(features.activity_nodes) * KERNELS
    sums = features.exposures.sum(axis=(0, 1), dtype=np.float64).mean(axis=1)
    risk = np.bincount(features.exposure_unit, sums, minlength=len(fitted_of_unit))
    return {
        "first_row": _firsts(row_fitted, len(fitted)),
        "row_conversion": features.row_conversion[rows].astype(np.uint32),
        "row_context": features.row_context[rows].astype(np.uint32),
        "kernels": np.ascontiguousarray(features.kernels[rows].T),
        "fitted_channel": features.unit_channel[fitted],
        "fitted_risk": np.maximum(TOLD * risk[fitted], 1e-3),
        "first_exposure": _firsts(features.exposure_unit, len(fitted_of_unit)),
        "exposure_context": features.exposure_context[order].astype(np.uint32),
        "exposures": exposures.reshape(len(order), width),
    }


def _firsts(of: IntArray, count: int) -> IndexArray:
    """Where each of ``count`` begins in what is sorted by ``of``, and the end."""
    return np.concatenate(([0], np.cumsum(np.bincount(of, minlength=count)))).astype(np.uint32)


def _normal_priors(features: Features, priors: Priors) -> tuple[FloatArray, FloatArray]:
    """Means and precisions of all parameters, in order."""
    sizes = variables(features)
    shift = dict(zip(("log_baseline", "log_effect_scale"), centres(features), strict=True))
    means, precisions = [], []
    for name, size in sizes.items():
        mean, sd = priors.get(name, (0.0, math.inf))
        of_others = name in ("log_channel_effect", "synergy", "logit_caused")
        means.append(np.full(size, mean + shift.get(name, 0.0)))
        precisions.append(np.full(size, 0.0 if of_others else 1.0 / sd**2))
    return np.concatenate(means), np.concatenate(precisions)

"""What the likelihood needs of the journeys, summed up once so that a fit does not see touches.

The events need, for each conversion and campaign with touches before it, the kernel's sums over
those touches by their context. The time at risk needs one sum per state, activity bin, campaign,
context and kernel. Both come out of one pass over the touches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.activity import ACTIVITY_BINS, activity_nodes, cut_by_activity
from attribution.contexts import Contexts, find_contexts
from attribution.journeys import US_PER_DAY, Journeys
from attribution.kernels import KERNELS, intensity
from attribution.lift import Lift, lift_exposures
from attribution.pairs import Pairs, counted_pairs
from attribution.risk import (
    FORMER,
    PROSPECT,
    Spells,
    account_states,
    risk_by_day,
    risk_spells,
    row_sums,
    summed_exposures,
)
from attribution.seasons import find_knots, season_basis

__all__ = [
    "Features",
    "Terms",
    "TouchExposures",
    "build_features",
    "build_terms",
]

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class TouchExposures:
    """The integral of each kernel over the risk that follows touches, summed over like touches.

    Attributes
    ----------
    day, unit, context, state, activity
        What the touches of a row have in common (``day`` since 1970), shape ``(row,)``.
    sums
        Shape ``(row, kernel)``.
    """

    day: IntArray
    unit: IntArray
    context: IntArray
    state: IntArray
    activity: IntArray
    sums: NDArray[np.floating]


@dataclass(frozen=True)
class Terms:
    """What the rate at each conversion is a sum of: all that its shares depend on.

    Attributes
    ----------
    pairs
        Touches that count for each conversion, and their kernels in ``touch_kernels``, shape
        ``(touch pair, kernel)``.
    conversion, unit
        One row per conversion and campaign with such touches, shape ``(pair,)``;
        ``pair_of_touch`` is the row of each touch pair.
    contexts
        Of the touches.
    state, baseline
        Of each conversion: its account's state just before, and the index of its baseline
        ``(segment, state)``; shape ``(conversion,)``.
    season
        What the log of the baseline may move by at each conversion, shape ``(conversion, basis)``.
    unit_channel
        Index of each campaign's channel, shape ``(unit,)``.
    """

    pairs: Pairs
    touch_kernels: FloatArray
    conversion: IntArray
    unit: IntArray
    pair_of_touch: IntArray
    contexts: Contexts
    state: IntArray
    baseline: IntArray
    season: FloatArray
    unit_channel: IntArray


@dataclass(frozen=True)
class Features(Terms):
    """Inputs of the model.

    Attributes
    ----------
    row_conversion, row_unit, row_context, kernels
        Sums of the kernels over the touches of each conversion, campaign and context, shapes
        ``(row,)`` and ``(row, kernel)``; in single precision, as ``exposures``: a fit reads them
        some fifty thousand times, and what it waits for is memory.
    activity, day
        Bin of each conversion's account, and its day since the first, shape ``(conversion,)``.
    spells
        When accounts are at risk, and with which bin of activity.
    first_day, knots, calendar
        The first day since 1970, the season's knots, and its basis on each day, ``(day, basis)``.
    activity_levels
        ``z``, the bins' means of log relative activity, shape ``(activity,)``; one bin of 0 where
        accounts do not differ.
    risk_days
        Shape ``(baseline, activity, day)``.
    activity_nodes
        The bins that tell what all are worth, shape ``(node,)``.
    exposure_unit, exposure_context, exposures
        Of each campaign and context there is, shapes ``(exposure,)`` and ``(state, node, exposure,
        kernel)``: weighted so that what nodes are worth gives what all bins give.
    touch_exposures
        The same, by the day of the touches.
    baselines
        ``(segment, state)`` of each baseline.
    unit_touches
        Touches of each campaign, shape ``(unit,)``.
    lift
        Of lift tests.
    """

    row_conversion: IntArray
    row_unit: IntArray
    row_context: IntArray
    kernels: SingleArray
    activity: IntArray
    day: IntArray
    spells: Spells
    first_day: int
    knots: IntArray
    calendar: FloatArray
    activity_levels: FloatArray
    activity_nodes: IntArray
    risk_days: FloatArray
    exposure_unit: IntArray
    exposure_context: IntArray
    exposures: SingleArray
    touch_exposures: TouchExposures
    baselines: tuple[tuple[str, int], ...]
    channels: tuple[str, ...]
    unit_touches: IntArray
    lift: Lift


def build_features(journeys: Journeys) -> Features:
    """Sum up journeys for the model."""
    conversions, units = journeys.conversions, len(journeys.units)
    channels = tuple(sorted({channel for channel, _ in journeys.units}))
    touched = _touched(journeys, channels)
    contexts: Contexts = touched["contexts"]
    spells, state = risk_spells(journeys)
    levels, spells, activity = cut_by_activity(journeys, spells)
    first_day, days = _calendar(journeys)
    knots = find_knots(first_day, days)
    day = conversions.time_us // US_PER_DAY
    baselines, risk_days, baseline = _baselines(
        journeys, spells, len(levels), state, first_day, days
    )
    touch_exposures = _touch_exposures(journeys, spells, contexts)
    code = touch_exposures.unit * len(contexts.channel) + touch_exposures.context
    code, row = np.unique(code, return_inverse=True)
    nodes, weights = activity_nodes(levels)
    return Features(
        **touched,
        **_rows(touched, units),
        state=state,
        activity=activity[conversions.account],
        baseline=baseline,
        day=day - first_day,
        season=season_basis(day, knots),
        spells=spells,
        first_day=first_day,
        knots=knots,
        calendar=season_basis(first_day + np.arange(days), knots),
        activity_levels=levels,
        activity_nodes=nodes,
        risk_days=risk_days,
        exposure_unit=code // max(len(contexts.channel), 1),
        exposure_context=code % max(len(contexts.channel), 1),
        exposures=_at_nodes(touch_exposures, row, len(code), weights),
        touch_exposures=touch_exposures,
        baselines=baselines,
        channels=channels,
        unit_touches=np.bincount(journeys.touches.unit, minlength=units),
        lift=lift_exposures(journeys, spells, contexts, touched["unit_channel"], len(levels)),
    )


def _at_nodes(of: TouchExposures, row: IntArray, rows: int, weights: FloatArray) -> SingleArray:
    """Exposures by state, node and row, shape ``(state, node, row, kernel)``."""
    levels = len(weights)
    cell = (of.state * levels + of.activity) * rows + row
    sums = row_sums(of.sums, cell, 2 * levels * rows).reshape(2, levels, rows * KERNELS)
    at_nodes = weights.T.astype(np.float32) @ sums
    return np.asarray(at_nodes.reshape(2, weights.shape[1], rows, KERNELS))


def _calendar(journeys: Journeys) -> tuple[int, int]:
    """The first day at risk since 1970, and how many days there are to the end of the data."""
    until = journeys.until_us // US_PER_DAY
    first = int(journeys.started_us.min()) // US_PER_DAY if len(journeys.started_us) else until
    return int(first), int(until - first + 1)


def build_terms(
    journeys: Journeys,
    channels: Sequence[str],
    baselines: Sequence[tuple[str, int]],
    first: Sequence[str],
    knots: IntArray,
) -> Terms:
    """What credit needs of journeys, by the numbers of a model that was fitted already.

    Parameters
    ----------
    channels, baselines
        Of the model; all that the journeys have are among them.
    first
        The channels that may come first, as the model knows them.
    knots
        Of the model's season.
    """
    conversions = journeys.conversions
    state = account_states(journeys.revenue)[0][conversions.row]
    state = np.where(state == FORMER, PROSPECT, state)
    segment = journeys.segment[conversions.account]
    number = {name: place for place, name in enumerate(baselines)}
    names = zip(segment.tolist(), state.tolist(), strict=True)
    places = np.array([channels.index(c) for c in first], dtype=np.int64)
    return Terms(
        **_touched(journeys, channels, places),
        state=state,
        baseline=np.array([number[journeys.segments[s], at] for s, at in names], dtype=np.int64),
        season=season_basis(conversions.time_us // US_PER_DAY, knots),
    )


def _touched(
    journeys: Journeys, channels: Sequence[str], first: IntArray | None = None
) -> dict[str, Any]:
    """The touches that count for each conversion, with their kernels and contexts."""
    conversions, units = journeys.conversions, max(len(journeys.units), 1)
    unit_channel = np.array([channels.index(c) for c, _ in journeys.units], dtype=np.int64)
    pairs = counted_pairs(
        journeys.touches, conversions.account, conversions.time_us, conversions.day_only
    )
    code, pair_of_touch = np.unique(
        pairs.conversion * units + journeys.touches.unit[pairs.touch], return_inverse=True
    )
    touch_kernels = intensity(
        pairs.lag_days,
        journeys.touches.day_only[pairs.touch],
        conversions.day_only[pairs.conversion],
    )
    return {
        "pairs": pairs,
        "touch_kernels": touch_kernels,
        "conversion": code // units,
        "unit": code % units,
        "pair_of_touch": pair_of_touch,
        "contexts": find_contexts(journeys.touches, unit_channel[journeys.touches.unit], first),
        "unit_channel": unit_channel,
    }


def _rows(touched: dict[str, Any], units: int) -> dict[str, Any]:
    """The pairs of conversion and campaign once more, by the context of their touches."""
    contexts: Contexts = touched["contexts"]
    count = max(len(contexts.channel), 1)
    context = contexts.of_touch[touched["pairs"].touch]
    code, row = np.unique(touched["pair_of_touch"] * count + context, return_inverse=True)
    pair = code // count
    return {
        "row_conversion": touched["conversion"][pair],
        "row_unit": touched["unit"][pair],
        "row_context": code % count,
        "kernels": row_sums(touched["touch_kernels"], row, len(code)),
    }


def _baselines(
    journeys: Journeys,
    spells: Spells,
    levels: int,
    state: IntArray,
    first_day: int,
    days: int,
) -> tuple[tuple[tuple[str, int], ...], FloatArray, IntArray]:
    code = journeys.segment[spells.account] * 2 + spells.state
    conversion_code = journeys.segment[journeys.conversions.account] * 2 + state
    used = np.flatnonzero(np.bincount(np.concatenate((code, conversion_code))))
    baselines = tuple((journeys.segments[c // 2], int(c % 2)) for c in used)
    cell = np.searchsorted(used, code) * levels + spells.activity
    risk = risk_by_day(spells, cell, len(used) * levels, first_day, days)
    shape = (len(used), levels, days)
    return baselines, risk.reshape(shape), np.searchsorted(used, conversion_code)


def _touch_exposures(journeys: Journeys, spells: Spells, contexts: Contexts) -> TouchExposures:
    touches, units = journeys.touches, max(len(journeys.units), 1)
    count = max(len(contexts.channel), 1)
    first_day = int(touches.time_us.min()) // US_PER_DAY if len(touches) else 0

    def like(touch: IntArray, spell: IntArray) -> IntArray:
        code = touches.time_us[touch] // US_PER_DAY - first_day
        code = code * units + touches.unit[touch]
        code = (code * count + contexts.of_touch[touch]) * 2 + spells.state[spell]
        return np.asarray(code * ACTIVITY_BINS + spells.activity[spell])

    code, sums = summed_exposures(journeys, spells, like)
    code, activity = np.divmod(code, ACTIVITY_BINS)
    code, state = np.divmod(code, 2)
    code, context = np.divmod(code, count)
    day, unit = np.divmod(code, units)
    return TouchExposures(day + first_day, unit, context, state, activity, sums)

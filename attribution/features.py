"""What the likelihood needs of the journeys, summed up once so that a fit does not see touches.

The events need, for each pair of a conversion and a campaign with a touch before it, the kernel's
sums over those touches. The time at risk needs one sum per state, activity bin, campaign and
kernel. Both come out of one pass over the touches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import US_PER_DAY, Journeys
from attribution.kernels import HALF_LIVES_DAYS, elapsed, intensity
from attribution.pairs import Pairs, counted_pairs
from attribution.risk import (
    FORMER,
    PROSPECT,
    Spells,
    account_states,
    risk_spells,
    row_sums,
    summed_exposures,
)

__all__ = [
    "Features",
    "Terms",
    "TouchExposures",
    "build_features",
    "build_terms",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ACTIVITY_BINS = 10


@dataclass(frozen=True)
class TouchExposures:
    """The integral of each kernel over the risk that follows touches, summed over like touches.

    Attributes
    ----------
    day, unit, state, activity
        What the touches of a row have in common (``day`` since 1970), shape ``(row,)``.
    sums
        Shape ``(row, kernel)``.
    """

    day: IntArray
    unit: IntArray
    state: IntArray
    activity: IntArray
    sums: FloatArray


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
    state, baseline
        Of each conversion: its account's state just before, and the index of its baseline
        ``(segment, state)``; shape ``(conversion,)``.
    unit_channel
        Index of each campaign's channel, shape ``(unit,)``.
    """

    pairs: Pairs
    touch_kernels: FloatArray
    conversion: IntArray
    unit: IntArray
    pair_of_touch: IntArray
    state: IntArray
    baseline: IntArray
    unit_channel: IntArray


@dataclass(frozen=True)
class Features(Terms):
    """Inputs of the model.

    Attributes
    ----------
    kernels
        Sums over the touches of each row of conversion and campaign, shape ``(pair, kernel)``.
    activity
        Bin of each conversion's account, shape ``(conversion,)``.
    activity_levels
        ``z``, the bins' means of log relative activity, shape ``(activity,)``; one bin of 0 where
        accounts do not differ.
    account_activity
        Bin of each account, shape ``(account,)``.
    risk_days
        Shape ``(baseline, activity)``.
    exposures
        Shape ``(state, activity, unit, kernel)``.
    touch_exposures
        The same, by the day of the touches.
    baselines
        ``(segment, state)`` of each baseline.
    unit_touches
        Touches of each campaign, shape ``(unit,)``.
    """

    kernels: FloatArray
    activity: IntArray
    activity_levels: FloatArray
    account_activity: IntArray
    risk_days: FloatArray
    exposures: FloatArray
    touch_exposures: TouchExposures
    baselines: tuple[tuple[str, int], ...]
    channels: tuple[str, ...]
    unit_touches: IntArray


def build_features(journeys: Journeys) -> Features:
    """Sum up journeys for the model."""
    conversions, units = journeys.conversions, len(journeys.units)
    touched = _touched(journeys)
    spells, state = risk_spells(journeys)
    levels, account_activity = activity_bins(journeys)
    baselines, risk_days, baseline = _baselines(journeys, spells, account_activity, levels, state)
    touch_exposures = _touch_exposures(journeys, spells, account_activity)
    exposures = np.zeros((2, len(levels), units, len(HALF_LIVES_DAYS)))
    rows = (touch_exposures.state, touch_exposures.activity, touch_exposures.unit)
    np.add.at(exposures, rows, touch_exposures.sums)
    channels = tuple(sorted({channel for channel, _ in journeys.units}))
    return Features(
        **touched,
        kernels=row_sums(
            touched["touch_kernels"], touched["pair_of_touch"], len(touched["conversion"])
        ),
        state=state,
        activity=account_activity[conversions.account],
        baseline=baseline,
        activity_levels=levels,
        account_activity=account_activity,
        risk_days=risk_days,
        exposures=exposures,
        touch_exposures=touch_exposures,
        baselines=baselines,
        channels=channels,
        unit_channel=np.array([channels.index(c) for c, _ in journeys.units], dtype=np.int64),
        unit_touches=np.bincount(journeys.touches.unit, minlength=units),
    )


def build_terms(
    journeys: Journeys, channels: Sequence[str], baselines: Sequence[tuple[str, int]]
) -> Terms:
    """What credit needs of journeys, by the numbers of a model that was fitted already.

    Parameters
    ----------
    channels, baselines
        Of the model; all that the journeys have are among them.
    """
    conversions = journeys.conversions
    state = account_states(journeys.revenue)[0][conversions.row]
    state = np.where(state == FORMER, PROSPECT, state)
    segment = journeys.segment[conversions.account]
    number = {name: place for place, name in enumerate(baselines)}
    names = zip(segment.tolist(), state.tolist(), strict=True)
    return Terms(
        **_touched(journeys),
        state=state,
        baseline=np.array([number[journeys.segments[s], at] for s, at in names], dtype=np.int64),
        unit_channel=np.array([channels.index(c) for c, _ in journeys.units], dtype=np.int64),
    )


def _touched(journeys: Journeys) -> dict[str, Any]:
    """The touches that count for each conversion, with their kernels."""
    conversions, units = journeys.conversions, max(len(journeys.units), 1)
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
    }


def activity_bins(journeys: Journeys) -> tuple[FloatArray, IntArray]:
    """Bins of an account's activity relative to its segment, and each account's bin.

    ``z = log((touches + 1) / (expected + 1))``, where as many touches are expected as accounts of
    the segment have in the same time. Only time and touches up to the account's first conversion
    count: those after a sale are its effect, and a bare count would be lower for those who
    converted early. A touch that is itself the first sign of an account says nothing.

    Returns
    -------
    Mean of ``z`` in each bin, shape ``(activity,)``, and the bin, shape ``(account,)``.
    """
    touches, conversions = journeys.touches, journeys.conversions
    accounts = np.arange(len(journeys.account_ids))
    until = np.full(len(accounts), journeys.until_us)
    day_only = np.zeros(len(accounts), dtype=bool)
    first = np.flatnonzero(np.diff(conversions.account, prepend=-1))
    until[conversions.account[first]] = conversions.time_us[first]
    day_only[conversions.account[first]] = conversions.day_only[first]
    counts = counted_pairs(touches, accounts, until, day_only).counts.astype(np.float64)
    opening = np.flatnonzero(np.diff(touches.account, prepend=-1))
    opens = touches.time_us[opening] == journeys.started_us[touches.account[opening]]
    counts[touches.account[opening[opens]]] -= 1
    if not len(counts) or counts.std() == 0:
        return np.zeros(1), np.zeros(len(counts), dtype=np.int64)
    days = np.maximum((until - journeys.started_us) / US_PER_DAY, 0.5)
    rate = np.bincount(journeys.segment, counts) / np.bincount(journeys.segment, days)
    z = np.log((np.maximum(counts, 0) + 1) / (rate[journeys.segment] * days + 1))
    edges = np.unique(np.quantile(z, np.linspace(0, 1, ACTIVITY_BINS + 1)[1:-1]))
    _, bins = np.unique(np.searchsorted(edges, z, side="right"), return_inverse=True)
    return np.bincount(bins, z) / np.bincount(bins), bins.astype(np.int64)


def _baselines(
    journeys: Journeys,
    spells: Spells,
    account_activity: IntArray,
    levels: FloatArray,
    state: IntArray,
) -> tuple[tuple[tuple[str, int], ...], FloatArray, IntArray]:
    days = elapsed(
        (spells.end_us - spells.start_us) / US_PER_DAY, spells.start_day_only, spells.end_day_only
    )
    code = journeys.segment[spells.account] * 2 + spells.state
    risk = np.zeros((2 * len(journeys.segments), len(levels)))
    np.add.at(risk, (code, account_activity[spells.account]), days)
    conversion_code = journeys.segment[journeys.conversions.account] * 2 + state
    used = np.unique(np.concatenate((code, conversion_code)))
    baselines = tuple((journeys.segments[c // 2], int(c % 2)) for c in used)
    return baselines, risk[used], np.searchsorted(used, conversion_code)


def _touch_exposures(
    journeys: Journeys, spells: Spells, account_activity: IntArray
) -> TouchExposures:
    touches, units = journeys.touches, max(len(journeys.units), 1)
    first_day = int(touches.time_us.min()) // US_PER_DAY if len(touches) else 0

    def like(touch: IntArray, spell: IntArray) -> IntArray:
        code = touches.time_us[touch] // US_PER_DAY - first_day
        code = (code * units + touches.unit[touch]) * 2 + spells.state[spell]
        return np.asarray(code * ACTIVITY_BINS + account_activity[touches.account[touch]])

    code, sums = summed_exposures(journeys, spells, like)
    code, activity = np.divmod(code, ACTIVITY_BINS)
    code, state = np.divmod(code, 2)
    day, unit = np.divmod(code, units)
    return TouchExposures(day + first_day, unit, state, activity, sums)

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

from attribution.journeys import US_PER_DAY, Journeys, Revenue
from attribution.kernels import HALF_LIVES_DAYS, elapsed, exposure, intensity
from attribution.pairs import Pairs, counted_pairs

__all__ = [
    "CUSTOMER",
    "PROSPECT",
    "Features",
    "Spells",
    "Terms",
    "TouchExposures",
    "build_features",
    "build_terms",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

PROSPECT, CUSTOMER, FORMER = 0, 1, 2
ACTIVITY_BINS = 10
CHUNK = 1_000_000


@dataclass(frozen=True)
class Spells:
    """Times for which an account is at risk in one state, by account; all of shape ``(spell,)``."""

    account: IntArray
    state: IntArray
    start_us: IntArray
    start_day_only: BoolArray
    end_us: IntArray
    end_day_only: BoolArray
    is_first: BoolArray


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
    state_before, state_after = account_states(journeys.revenue)
    state = state_before[conversions.row]
    at_risk = {PROSPECT, *(int(code) for code in np.unique(state))}
    state = np.where(state == FORMER, PROSPECT, state)
    spells = build_spells(journeys, state_after, at_risk)
    levels, account_activity = activity_bins(journeys)
    baselines, risk_days, baseline = _baselines(journeys, spells, account_activity, levels, state)
    touch_exposures = _touch_exposures(journeys, spells, account_activity)
    exposures = np.zeros((2, len(levels), units, len(HALF_LIVES_DAYS)))
    rows = (touch_exposures.state, touch_exposures.activity, touch_exposures.unit)
    np.add.at(exposures, rows, touch_exposures.sums)
    channels = tuple(sorted({channel for channel, _ in journeys.units}))
    return Features(
        **touched,
        kernels=_summed(
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


def account_states(revenue: Revenue) -> tuple[IntArray, IntArray]:
    """State of the account just before and just after each revenue event, shape ``(event,)``.

    An account is a customer from its first ``new`` until it churns, and a former one from there.
    One whose first event is of another kind was a customer before the data began. Events of one
    moment have one state before.
    """
    after = np.where(revenue.kind == "churn", FORMER, CUSTOMER).astype(np.int64)
    before = np.concatenate(([PROSPECT], after[:-1])) if len(after) else after
    first = np.diff(revenue.account, prepend=-1) != 0
    before = np.where(first, np.where(revenue.kind == "new", PROSPECT, CUSTOMER), before)
    moment = first | (np.diff(revenue.time_us, prepend=-1) != 0)
    return before[np.maximum.accumulate(np.where(moment, np.arange(len(after)), 0))], after


def build_spells(journeys: Journeys, state_after: IntArray, at_risk: set[int]) -> Spells:
    """Cut each account's time from the start of its risk to the end of the data by its state.

    Only the states in ``at_risk``, those in which anything was ever sold, are kept; a former
    customer that is at risk is a prospect again.
    """
    revenue = journeys.revenue
    accounts = np.arange(len(journeys.account_ids))
    first_state = np.full(len(accounts), PROSPECT)
    first = np.flatnonzero(np.diff(revenue.account, prepend=-1))
    known = revenue.kind[first] != "new"
    first_state[revenue.account[first[known]]] = CUSTOMER

    account = np.concatenate((accounts, revenue.account))
    start = np.concatenate((journeys.started_us, revenue.time_us))
    day_only = np.concatenate((journeys.started_day_only, revenue.day_only))
    state = np.concatenate((first_state, state_after))
    is_start = np.concatenate((np.ones(len(accounts), bool), np.zeros(len(revenue), bool)))
    order = np.lexsort((np.arange(len(account)), start, ~is_start, account))
    account, start, day_only = account[order], start[order], day_only[order]
    state, is_start = state[order], is_start[order]
    changes = is_start | (np.diff(state, prepend=-1) != 0)
    account, start, day_only = account[changes], start[changes], day_only[changes]
    state, is_start = state[changes], is_start[changes]

    last = np.append(account[1:] != account[:-1], True) if len(account) else np.zeros(0, bool)
    end = np.where(last, journeys.until_us, np.append(start[1:], 0))
    end_day_only = np.where(last, False, np.append(day_only[1:], False))
    kept = np.isin(state, list(at_risk))
    state = np.where(state == FORMER, PROSPECT, state)
    return Spells(
        account=account[kept],
        state=state[kept],
        start_us=start[kept],
        start_day_only=day_only[kept],
        end_us=end[kept],
        end_day_only=end_day_only[kept].astype(bool),
        is_first=is_start[kept],
    )


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
    accounts = len(journeys.account_ids)
    counts = np.bincount(spells.account, minlength=accounts)
    offset = np.cumsum(counts) - counts
    first_day = int(touches.time_us.min()) // US_PER_DAY if len(touches) else 0
    codes, sums = [], []
    for begin in range(0, len(touches), CHUNK):
        rows = np.arange(begin, min(begin + CHUNK, len(touches)))
        account = touches.account[rows]
        repeats = counts[account]
        touch = np.repeat(rows, repeats)
        within = np.arange(len(touch)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        spell = np.repeat(offset[account], repeats) + within
        kernel = _exposure_of_pairs(journeys, spells, touch, spell)
        code = touches.time_us[touch] // US_PER_DAY - first_day
        code = (code * units + touches.unit[touch]) * 2 + spells.state[spell]
        code = code * ACTIVITY_BINS + account_activity[touches.account[touch]]
        distinct, row = np.unique(code, return_inverse=True)
        codes.append(distinct)
        sums.append(_summed(kernel, row, len(distinct)))
    code = np.concatenate(codes) if codes else np.zeros(0, dtype=np.int64)
    distinct, row = np.unique(code, return_inverse=True)
    total = _summed(np.concatenate(sums), row, len(distinct)) if sums else np.zeros((0, 6))
    kept = total.any(axis=1)
    code, activity = np.divmod(distinct[kept], ACTIVITY_BINS)
    code, state = np.divmod(code, 2)
    day, unit = np.divmod(code, units)
    return TouchExposures(day + first_day, unit, state, activity, total[kept])


def _exposure_of_pairs(
    journeys: Journeys, spells: Spells, touch: IntArray, spell: IntArray
) -> FloatArray:
    touches = journeys.touches
    day_only = touches.day_only[touch]
    to_end = (spells.end_us[spell] - touches.time_us[touch]) / US_PER_DAY
    kernel = exposure(to_end, day_only, spells.end_day_only[spell])
    later = np.flatnonzero(~spells.is_first[spell])
    to_start = (spells.start_us[spell[later]] - touches.time_us[touch[later]]) / US_PER_DAY
    kernel[later] -= exposure(to_start, day_only[later], spells.start_day_only[spell[later]])
    return np.maximum(kernel, 0.0)


def _summed(values: FloatArray, row: IntArray, rows: int) -> FloatArray:
    out = np.empty((rows, values.shape[1]))
    for column in range(values.shape[1]):
        out[:, column] = np.bincount(row, values[:, column], minlength=rows)
    return out

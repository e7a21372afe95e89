"""How busy an account is beside others like it, as far as was known at each moment.

Busy accounts may buy more whatever campaigns do. What tells is the number of an account's touches
relative to what its segment's accounts had in the same days, shrunk to the mean where little was
seen, as the mean of a Gamma frailty given a Poisson count is. It must be known beforehand: counted
up to a conversion it would be larger for those whom a touch converted, and nearer to the mean for
those who converted early, and either is a bias that is credited to touches.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import US_PER_DAY, Journeys
from attribution.risk import Spells

__all__ = ["TICKS_DAYS", "cut_by_activity"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TICKS_DAYS = 30.0 * np.r_[1:13, 14:25:2, 28:49:4]
"""Ages of an account at which it is looked at; each stands until the next."""
BINS = 10
LEAST_SPREAD, MOST_SPREAD = 0.5, 50.0


def cut_by_activity(journeys: Journeys, spells: Spells) -> tuple[FloatArray, Spells, IntArray]:
    """Cut spells where what is known of their account's activity changes.

    Only touches before the account's first conversion count: those after a sale are its effect. A
    touch that is itself the first sign of an account says nothing.

    Returns
    -------
    ``z``, the bins' means of the log of relative activity, shape ``(activity,)``, one bin of 0
    where accounts do not differ; the spells with the bin of each; and the bin of each account at
    its conversions, shape ``(account,)``.
    """
    accounts = len(journeys.account_ids)
    ticks = journeys.started_us[:, None] + (TICKS_DAYS * US_PER_DAY).astype(np.int64)
    until = np.full(accounts, journeys.until_us)
    conversions = journeys.conversions
    first = np.flatnonzero(np.diff(conversions.account, prepend=-1))
    until[conversions.account[first]] = conversions.time_us[first]
    seen_until = np.minimum(ticks, until[:, None])
    counts = _counts(journeys, seen_until)
    expected = _expected(journeys, until, seen_until)
    z = _log_relative(counts, expected)
    passed = ticks < until[:, None]
    if not passed.any() or np.ptp(z[passed]) == 0:
        return np.zeros(1), spells, np.zeros(accounts, dtype=np.int64)
    edges = np.unique(np.quantile(z[passed], np.linspace(0, 1, BINS + 1)[1:-1]))
    # Before the first look nothing is known: the mean, like all those of whom little was seen.
    z = np.column_stack((np.zeros(accounts), np.where(passed, z, np.nan)))
    bins = np.searchsorted(edges, np.nan_to_num(z), side="right")
    known = ~np.isnan(z)
    used, compact = np.unique(bins[known], return_inverse=True)
    levels = np.bincount(compact, z[known]) / np.bincount(compact)
    bins = np.minimum(np.searchsorted(used, bins), len(used) - 1)
    last = bins[np.arange(accounts), passed.sum(axis=1)]
    return levels, _cut(spells, ticks, passed, bins), last


def _counts(journeys: Journeys, until_us: IntArray) -> FloatArray:
    """Touches of each account before moments, ``(account, moment)``; its opening one left out."""
    touches = journeys.touches
    accounts, moments = until_us.shape
    opening = np.flatnonzero(np.diff(touches.account, prepend=-1))
    opens = touches.time_us[opening] == journeys.started_us[touches.account[opening]]
    counted = np.ones(len(touches), dtype=bool)
    counted[opening[opens]] = False
    account, time = touches.account[counted], touches.time_us[counted]
    found = np.empty((accounts, moments))
    for moment in range(moments):
        before = time < until_us[account, moment]
        found[:, moment] = np.bincount(account[before], minlength=accounts)
    return found


def _expected(journeys: Journeys, until: IntArray, moments: IntArray) -> FloatArray:
    """What accounts of the segment had in the same days, ``(account, moment)``."""
    touches = journeys.touches
    first = int(journeys.started_us.min()) // US_PER_DAY
    days = int(journeys.until_us // US_PER_DAY - first + 2)
    segments = len(journeys.segments)
    start = journeys.started_us / US_PER_DAY - first
    alive = np.zeros((segments, days + 1))
    np.add.at(alive, (journeys.segment, start.astype(np.int64)), 1.0)
    np.add.at(alive, (journeys.segment, (until // US_PER_DAY - first + 1).astype(np.int64)), -1.0)
    alive = np.cumsum(alive, axis=1)[:, :days]
    counted = (touches.time_us < until[touches.account]) & (
        touches.time_us > journeys.started_us[touches.account]
    )
    seen = np.zeros((segments, days))
    where = journeys.segment[touches.account[counted]]
    np.add.at(seen, (where, touches.time_us[counted] // US_PER_DAY - first), 1.0)
    total = np.zeros((segments, days + 1))
    total[:, 1:] = np.cumsum(seen / np.maximum(alive, 1.0), axis=1)

    def at(moment: FloatArray, segment: IntArray) -> FloatArray:
        day = np.clip(moment, 0, days - 1).astype(np.int64)
        part = np.clip(moment, 0, days - 1) - day
        return total[segment, day] * (1 - part) + total[segment, day + 1] * part

    ends = at(moments / US_PER_DAY - first, journeys.segment[:, None])
    return np.maximum(ends - at(start, journeys.segment)[:, None], 0.0)


def _log_relative(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Log of the frailty's mean given the count, its shape by moments of the last look."""
    last, mean = counts[:, -1], expected[:, -1]
    excess = ((last - mean) ** 2 - mean).sum()
    shape = np.clip((mean**2).sum() / max(excess, 1e-9), LEAST_SPREAD, MOST_SPREAD)
    return np.asarray(np.log((counts + shape) / (expected + shape)))


def _cut(spells: Spells, ticks: IntArray, passed: NDArray[np.bool_], bins: IntArray) -> Spells:
    """Each spell as the parts between the looks at its account, each with the bin of its time."""
    count = 1 + ticks.shape[1]
    row = np.repeat(np.arange(len(spells.account)), count)
    look = np.tile(np.arange(count), len(spells.account))
    account = spells.account[row]
    never = np.iinfo(np.int64).max
    edges = np.where(passed, ticks, never)
    begins = np.column_stack((np.full(len(ticks), -never), edges))[account, look]
    ends = np.column_stack((edges, np.full(len(ticks), never)))[account, look]
    start = np.maximum(begins, spells.start_us[row])
    end = np.minimum(ends, spells.end_us[row])
    whole = (begins <= spells.start_us[row]) & (ends >= spells.end_us[row])
    kept = (start < end) | whole
    at_start, at_end = begins <= spells.start_us[row], ends >= spells.end_us[row]
    return replace(
        spells,
        account=account[kept],
        state=spells.state[row][kept],
        activity=bins[account, look][kept],
        start_us=start[kept],
        start_day_only=(spells.start_day_only[row] & at_start)[kept],
        end_us=end[kept],
        end_day_only=(spells.end_day_only[row] & at_end)[kept],
        is_first=(spells.is_first[row] & at_start)[kept],
    )

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
from scipy.linalg import qr

from attribution.journeys import US_PER_DAY, Journeys
from attribution.risk import Spells

__all__ = ["ACTIVITY_BINS", "activity_at", "activity_nodes", "cut_by_activity"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TICKS_US = US_PER_DAY * np.r_[5 * np.r_[1:73], 10 * np.r_[37:73], 30 * np.r_[25:49]]
"""Ages of an account at which it is looked at; each stands until the next.

A touch that is not looked at yet would pass for the cause of what its account was apt to anyway.
"""
ACTIVITY_BINS = 20
NODES = 8
LEAST_SPREAD, MOST_SPREAD = 0.5, 50.0
CHUNK = 20_000
SAMPLE = 40_000
"""Accounts by which bins are cut, at least, if there are as many."""


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
    until = np.full(accounts, journeys.until_us)
    conversions = journeys.conversions
    first = np.flatnonzero(np.diff(conversions.account, prepend=-1))
    until[conversions.account[first]] = conversions.time_us[first]
    z = _log_relative(journeys, until)
    some = z[:: 1 + accounts // SAMPLE]
    some = some[~np.isnan(some)]
    if not len(some) or np.ptp(some) == 0:
        return np.zeros(1), spells, np.zeros(accounts, dtype=np.int64)
    levels, bins, last = _binned(z, _edges(some))
    return levels, _cut(spells, journeys.started_us, bins), last


def activity_at(activity: FloatArray, levels: FloatArray, now: FloatArray) -> FloatArray:
    """What other bins multiply rates by, given what those of a fit do.

    Parameters
    ----------
    activity
        ``exp(γ z + c z²)`` in the fit's bins, shape ``(draw, bin)``.
    levels, now
        ``z`` of the fit's bins and of the others, shape ``(bin,)`` each.

    >>> z = np.array([-1.0, 0.2, 2.0])
    >>> activity_at(np.exp(0.5 * z - 0.1 * z**2)[None, :], z, np.array([1.0])).round(4)
    array([[1.4918]])
    """
    curve = np.linalg.pinv(np.column_stack((levels, levels**2)), rcond=1e-9)
    return np.asarray(np.exp(np.log(activity) @ curve.T @ np.vstack((now, now**2))))


def activity_nodes(levels: FloatArray) -> tuple[IntArray, FloatArray]:
    """A few bins whose worth tells that of all others, and how.

    ``exp(γ z + c z²)`` is so smooth that sums over all bins can be taken once, with weights, into
    sums over a few: an interpolative decomposition (Cheng, Gimbutas, Martinsson and Rokhlin 2005,
    SIAM Journal on Scientific Computing 26) of that family, each of its members weighted by the
    prior's density. Twenty bins are told by eight to 0.2 % for powers up to 0.6, to 1 % up to 1.2.

    Parameters
    ----------
    levels
        ``z`` of the bins, shape ``(activity,)``.

    Returns
    -------
    The nodes among the bins, ascending, ``(node,)``, and weights, ``(activity, node)``, whose rows
    sum to one.

    >>> z = np.linspace(-2.0, 2.0, 20)
    >>> nodes, weights = activity_nodes(z)
    >>> worth = np.exp(0.6 * z - 0.1 * z**2)
    >>> bool(np.allclose(weights @ worth[nodes], worth, rtol=0.002))
    True
    """
    if len(levels) <= NODES:
        return np.arange(len(levels)), np.eye(len(levels))
    sds = np.meshgrid(np.linspace(-2.5, 2.5, 21), np.linspace(-2.5, 2.5, 11))
    power, bend = (of.ravel() for of in sds)
    family = np.exp(0.7 * np.outer(levels, power) + 0.2 * np.outer(levels**2, bend))
    family *= np.exp(-0.25 * (power**2 + bend**2)) / np.sqrt((family**2).mean(axis=0))
    nodes = np.sort(qr(family.T, mode="r", pivoting=True)[1][:NODES])
    weights = np.linalg.lstsq(family[nodes].T, family.T, rcond=None)[0].T
    return nodes, weights / weights.sum(axis=1, keepdims=True)


def _log_relative(journeys: Journeys, until: IntArray) -> NDArray[np.float32]:
    """``z`` from each look on, shape ``(account, look)``; NaN of those after ``until``.

    The log of a Gamma frailty's mean given the count; its shape by moments of what was seen last.
    """
    account, time = _counted(journeys, until)
    expected = _Expected(journeys, until, account, time)
    last = np.minimum(journeys.started_us + TICKS_US[-1], until)
    count = np.bincount(account[time < last[account]], minlength=len(until))
    mean = expected.until(last[:, None], slice(None))[:, 0]
    excess = ((count - mean) ** 2 - mean).sum()
    shape = np.clip((mean**2).sum() / max(excess, 1e-9), LEAST_SPREAD, MOST_SPREAD)

    looks = len(TICKS_US)
    z = np.empty((len(until), looks), dtype=np.float32)
    for begin in range(0, len(until), CHUNK):
        those = slice(begin, min(begin + CHUNK, len(until)))
        row = slice(*np.searchsorted(account, (those.start, those.stop)))
        age = time[row] - journeys.started_us[account[row]]
        cell = (account[row] - begin) * (looks + 1) + np.searchsorted(TICKS_US, age, side="right")
        seen = np.bincount(cell, minlength=(those.stop - begin) * (looks + 1))
        seen = np.cumsum(seen.reshape(-1, looks + 1)[:, :-1], axis=1)
        ticks = journeys.started_us[those, None] + TICKS_US
        known = np.log((seen + shape) / (expected.until(ticks, those) + shape))
        z[those] = np.where(ticks < until[those, None], known, np.nan)
    return z


def _counted(journeys: Journeys, until: IntArray) -> tuple[IntArray, IntArray]:
    """Account and time of the touches that count, by account and time."""
    touches = journeys.touches
    opening = np.flatnonzero(np.diff(touches.account, prepend=-1))
    opens = touches.time_us[opening] == journeys.started_us[touches.account[opening]]
    counted = touches.time_us < until[touches.account]
    counted[opening[opens]] = False
    return touches.account[counted], touches.time_us[counted]


class _Expected:
    """What accounts of a segment had in the same days."""

    def __init__(self, journeys: Journeys, until: IntArray, account: IntArray, time: IntArray):
        self.segment = journeys.segment
        self.first = first = int(journeys.started_us.min()) // US_PER_DAY
        self.days = days = int(journeys.until_us // US_PER_DAY - first + 2)
        self.start = journeys.started_us / US_PER_DAY - first
        alive = np.zeros((len(journeys.segments), days + 1))
        np.add.at(alive, (self.segment, self.start.astype(np.int64)), 1.0)
        np.add.at(alive, (self.segment, until // US_PER_DAY - first + 1), -1.0)
        alive = np.cumsum(alive, axis=1)[:, :days]
        seen = np.zeros((len(journeys.segments), days))
        np.add.at(seen, (self.segment[account], time // US_PER_DAY - first), 1.0)
        self.total = np.zeros((len(journeys.segments), days + 1))
        self.total[:, 1:] = np.cumsum(seen / np.maximum(alive, 1.0), axis=1)

    def until(self, moments: IntArray, accounts: slice) -> FloatArray:
        """Touches from accounts' beginnings to moments, shape ``(account, moment)``."""
        segment = self.segment[accounts, None]
        ends = self._to(moments / US_PER_DAY - self.first, segment)
        return np.maximum(ends - self._to(self.start[accounts, None], segment), 0.0)

    def _to(self, moment: FloatArray, segment: IntArray) -> FloatArray:
        day = np.clip(moment, 0, self.days - 1).astype(np.int64)
        part = np.clip(moment, 0, self.days - 1) - day
        return np.asarray(
            self.total[segment, day] * (1 - part) + self.total[segment, day + 1] * part
        )


def _edges(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Between bins that hold about as many touches each: a busy account's are most of all."""
    ordered = np.sort(z)
    touches = np.cumsum(np.exp(ordered, dtype=np.float64))
    places = np.searchsorted(touches, touches[-1] * np.linspace(0, 1, ACTIVITY_BINS + 1)[1:-1])
    return np.asarray(np.unique(ordered[np.minimum(places, len(ordered) - 1)]))


def _binned(
    z: NDArray[np.float32], edges: NDArray[np.float32]
) -> tuple[FloatArray, NDArray[np.int8], IntArray]:
    """Bins' mean ``z``; accounts' bins before the first look and from each on; their last bins.

    Before the first look nothing is known: the mean, like all those of whom little was seen.
    """
    bins = np.empty((len(z), 1 + z.shape[1]), dtype=np.int8)
    bins[:, 0] = np.searchsorted(edges, np.float32(0), side="right")
    sums, count = np.zeros(len(edges) + 1), np.zeros(len(edges) + 1)
    count[bins[0, 0]] = len(z)
    for begin in range(0, len(z), CHUNK):
        those = slice(begin, begin + CHUNK)
        known = ~np.isnan(z[those])
        found = np.searchsorted(edges, z[those][known], side="right")
        sums += np.bincount(found, z[those][known], minlength=len(sums))
        count += np.bincount(found, minlength=len(sums))
        later = bins[those, 1:]
        later[known] = found
        ends = bins[those][np.arange(len(known)), known.sum(axis=1)]
        bins[those, 1:] = np.where(known, later, ends[:, None])
    used = np.flatnonzero(count)
    bins = np.searchsorted(used, bins).astype(np.int8)
    return sums[used] / count[used], bins, bins[:, -1].astype(np.int64)


def _cut(spells: Spells, started_us: IntArray, bins: NDArray[np.int8]) -> Spells:
    """Each spell as the parts in which its account's bin is one.

    Parameters
    ----------
    started_us, bins
        When accounts begin, ``(account,)``, and their bin before the first look and from each on,
        ``(account, 1 + look)``.
    """
    never = np.iinfo(np.int64).max
    changes = np.diff(bins, axis=1, prepend=np.int8(-1)) != 0
    owner, look = np.nonzero(changes)
    count = changes.sum(axis=1)
    begins = np.where(look > 0, started_us[owner] + TICKS_US[look - 1], -never)
    ends = np.where(np.diff(owner, append=-1) == 0, np.append(begins[1:], never), never)

    row = np.repeat(np.arange(len(spells.account)), count[spells.account])
    before = np.cumsum(count[spells.account]) - count[spells.account]
    first = np.cumsum(count) - count
    part = np.arange(len(row)) - before[row] + first[spells.account[row]]
    start = np.maximum(begins[part], spells.start_us[row])
    end = np.minimum(ends[part], spells.end_us[row])
    at_start, at_end = begins[part] <= spells.start_us[row], ends[part] >= spells.end_us[row]
    kept = (start < end) | (at_start & at_end)
    return replace(
        spells,
        account=spells.account[row][kept],
        state=spells.state[row][kept],
        activity=bins[owner, look][part][kept].astype(np.int64),
        start_us=start[kept],
        start_day_only=(spells.start_day_only[row] & at_start)[kept],
        end_us=end[kept],
        end_day_only=(spells.end_day_only[row] & at_end)[kept],
        is_first=(spells.is_first[row] & at_start)[kept],
    )

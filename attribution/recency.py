"""How long ago the last touch of a kind was: at each conversion, and in all the time at risk."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import US_PER_DAY, Journeys
from attribution.risk import Spells, risk_spells

__all__ = [
    "LEVELS", "WINDOWS_DAYS", "Events", "Recency", "Stretches", "known_time", "last_touches",
    "stretches",
]  # fmt: skip

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WINDOWS_DAYS = (7.0, 30.0, 90.0)
"""Ends of the windows after a touch; each begins where the one before ends."""
LEVELS = len(WINDOWS_DAYS) + 1
"""Level 0 is time without a touch in the longest window, level ``i`` time in window ``i``."""
CHUNK = 200_000


@dataclass(frozen=True)
class Events:
    """Conversions of accounts that were at risk before, shape ``(event,)``.

    Attributes
    ----------
    spell
        In which the account was at risk.
    at
        Days since the calendar's first; the middle of the day where only that is known.
    time_us, day_only
        As in :class:`attribution.journeys.Conversions`.
    """

    account: IntArray
    spell: IntArray
    at: FloatArray
    time_us: IntArray
    day_only: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.account)


@dataclass(frozen=True)
class Recency:
    """What is the same for each kind of touch.

    Attributes
    ----------
    until
        End of the data, in days since ``first_day``.
    start, end
        Of each spell, in the same, shape ``(spell,)``.
    offset, counts
        First spell of each account, and how many it has, shape ``(account,)``.
    rank
        Of each touch's time among all times of touches; ``bound`` is the rank below which touches
        count for each event.
    left_out
        Conversions of accounts of which nothing was known before them.
    """

    journeys: Journeys
    spells: Spells
    events: Events
    first_day: int
    days: int
    until: float
    start: FloatArray
    end: FloatArray
    offset: IntArray
    counts: IntArray
    rank: IntArray
    bound: IntArray
    left_out: int


@dataclass(frozen=True)
class Stretches:
    """Time at risk at one level above 0, by account and time; all of shape ``(stretch,)``."""

    spell: IntArray
    level: IntArray
    start: FloatArray
    end: FloatArray

    def __len__(self) -> int:
        return len(self.spell)


def known_time(journeys: Journeys) -> Recency:
    """Spells at risk, and the conversions that end or interrupt them."""
    spells, state = risk_spells(journeys)
    until = journeys.until_us // US_PER_DAY
    first_day = int(journeys.started_us.min(initial=journeys.until_us)) // US_PER_DAY
    start, end = spells.days_from(first_day)
    counts = np.bincount(spells.account, minlength=len(journeys.account_ids)).astype(np.int64)
    offset = np.cumsum(counts) - counts
    events = _events(journeys, spells, state, first_day, start, offset, counts)
    times, rank = np.unique(journeys.touches.time_us, return_inverse=True)
    latest = np.where(events.day_only, events.time_us + US_PER_DAY - 1, events.time_us)
    return Recency(
        journeys=journeys,
        spells=spells,
        events=events,
        first_day=first_day,
        days=int(until - first_day + 1),
        until=journeys.until_us / US_PER_DAY - first_day,
        start=start,
        end=end,
        offset=offset,
        counts=counts,
        rank=rank.astype(np.int64),
        bound=np.searchsorted(times, latest, side="right").astype(np.int64),
        left_out=len(journeys.conversions) - len(events),
    )


def _events(
    journeys: Journeys,
    spells: Spells,
    state: IntArray,
    first_day: int,
    start: FloatArray,
    offset: IntArray,
    counts: IntArray,
) -> Events:
    """Each conversion with the last spell of its account and state that began before it."""
    conversions = journeys.conversions
    at = conversions.time_us / US_PER_DAY + 0.5 * conversions.day_only - first_day
    event, spell = _ragged(conversions.account, offset, counts)
    fits = (spells.state[spell] == state[event]) & (start[spell] < at[event])
    event, spell = event[fits], spell[fits]
    last = np.flatnonzero(np.diff(event, append=-1))
    event, spell = event[last], spell[last]
    return Events(
        conversions.account[event],
        spell,
        at[event],
        conversions.time_us[event],
        conversions.day_only[event],
    )


def last_touches(recency: Recency, touch: IntArray) -> IntArray:
    """Level of each event, by the last of some touches that is not after it.

    Parameters
    ----------
    touch
        Indexes of the touches of one kind, ascending.

    Returns
    -------
    Shape ``(event,)``, from 0 to ``LEVELS`` - 1; an age at the very end of a window is in it.
    """
    events, touches = recency.events, recency.journeys.touches
    if not len(touch):
        return np.zeros(len(events), dtype=np.int64)
    stride = int(recency.rank.max()) + 2
    key = touches.account[touch] * stride + recency.rank[touch]
    place = np.searchsorted(key, events.account * stride + recency.bound) - 1
    last = touch[np.maximum(place, 0)]
    found = (place >= 0) & (touches.account[last] == events.account)
    exact = (events.time_us - touches.time_us[last]) / US_PER_DAY
    whole = events.time_us // US_PER_DAY - touches.time_us[last] // US_PER_DAY
    age = np.where(events.day_only | touches.day_only[last], whole, exact)
    level = np.searchsorted(WINDOWS_DAYS, age) + 1
    return np.where(found & (level < LEVELS), level, 0).astype(np.int64)


def stretches(recency: Recency, touch: IntArray) -> Iterator[Stretches]:
    """Cut the time at risk by how long ago the last of some touches was.

    Each touch rules from its moment (its day's start, where only that is known) to the next one of
    the account, so that no time is counted twice, however many touches there are.

    Parameters
    ----------
    touch
        Indexes of the touches of one kind, ascending.

    Yields
    ------
    The stretches of some hundred thousand touches after each other.
    """
    touches = recency.journeys.touches
    at = touches.time_us[touch] / US_PER_DAY - recency.first_day
    account = touches.account[touch]
    ends = np.full(len(touch), np.inf)
    same = account[1:] == account[:-1]
    ends[:-1][same] = at[1:][same]
    opens = np.array((0.0, *WINDOWS_DAYS[:-1]))
    for begin in range(0, len(touch), CHUNK):
        some = slice(begin, begin + CHUNK)
        start = (at[some, None] + opens).ravel()
        end = np.minimum(at[some, None] + np.array(WINDOWS_DAYS), ends[some, None]).ravel()
        level = np.tile(np.arange(1, LEVELS), len(at[some]))
        of_account = np.repeat(account[some], LEVELS - 1)
        kept = np.flatnonzero(end > start)
        row, spell = _ragged(of_account[kept], recency.offset, recency.counts)
        row = kept[row]
        start = np.maximum(start[row], recency.start[spell])
        end = np.minimum(end[row], recency.end[spell])
        kept = np.flatnonzero(end > start)
        yield Stretches(spell[kept], level[row[kept]], start[kept], end[kept])


def _ragged(account: IntArray, offset: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Each row with each spell of its account, in order."""
    repeats = counts[account]
    row = np.repeat(np.arange(len(account)), repeats)
    within = np.arange(len(row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return row, np.repeat(offset[account], repeats) + within

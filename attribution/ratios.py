"""Rates of conversion after touches, relative to time without: between accounts, and within them.

Neither ratio is an effect. What makes an account convert may also be what makes it be touched.
"""

from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attribution.recency import LEVELS, Recency, Stretches, last_touches, stretches
from attribution.risk import PROSPECT, time_by_day

__all__ = ["LEAST_ACCOUNTS", "Found", "Ratio", "Strata", "build_strata", "find_ratios"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEAST_ACCOUNTS = 10
"""So many accounts must have converted in a window, and out of all, for a ratio of it."""
HALF_WIDTHS = (0.6744897501960817, 1.6448536269514722)  # of 50 and 90 % of a normal


class Ratio(NamedTuple):
    """A ratio of rates, and the ends of its 50 and 90 % intervals."""

    value: float
    low_50: float
    high_50: float
    low_90: float
    high_90: float


@dataclass(frozen=True)
class Strata:
    """Segment, state and calendar month: time in one of them is comparable.

    Attributes
    ----------
    cell
        Segment and state of each spell, shape ``(spell,)``.
    first_of_month
        Days on which a month begins; ``month`` is that of each day.
    days
        At risk, shape ``(cell, month)``.
    cumulative
        Of the rate of conversion in each state, up to the start of each day, shape
        ``(state, day + 1)``; ``least`` is what one mean day adds to it, shape ``(state,)``.
    planned_end
        Until when each spell would have lasted without a conversion, in days, shape ``(spell,)``.
    """

    recency: Recency
    cell: IntArray
    first_of_month: IntArray
    month: IntArray
    days: FloatArray
    cumulative: FloatArray
    least: FloatArray
    planned_end: FloatArray

    @property
    def event_places(self) -> tuple[IntArray, IntArray]:
        """Cell and month of each event."""
        events = self.recency.events
        return self.cell[events.spell], self.month[_day(events.at, len(self.month))]

    def by_month(self, by_day: FloatArray) -> FloatArray:
        """Sums over the days of each month, which are the last axis."""
        return np.add.reduceat(by_day, self.first_of_month, axis=-1)


@dataclass(frozen=True)
class Found:
    """What was found of one kind of touch.

    Attributes
    ----------
    conversions, accounts, account_days
        At each level, shape ``(level,)``: level 0 is time without such a touch in all windows.
    between, within
        For each window; None where too few accounts converted in it, or out of all windows.
    """

    conversions: IntArray
    accounts: IntArray
    account_days: FloatArray
    between: tuple[Ratio | None, ...]
    within: tuple[Ratio | None, ...]


def build_strata(recency: Recency) -> Strata:
    """What the ratios of all kinds share."""
    journeys, spells, days = recency.journeys, recency.spells, recency.days
    names = journeys.segment[spells.account] * 2 + spells.state
    used, cell = np.unique(names, return_inverse=True)
    calendar = (recency.first_day + np.arange(days)).astype("datetime64[D]")
    first, month = np.unique(
        calendar.astype("datetime64[M]").astype(np.int64), return_index=True, return_inverse=True
    )[1:]
    by_day = time_by_day(recency.start, recency.end, cell, max(len(used), 1), days)
    at_risk = np.add.reduceat(by_day, first, axis=1)
    time, events = (np.zeros((2, len(first))) for _ in range(2))
    np.add.at(time, used % 2, at_risk[: len(used)])
    spell = recency.events.spell
    np.add.at(events, (spells.state[spell], month[_day(recency.events.at, days)]), 1)
    rate = np.divide(events, time, out=np.zeros_like(time), where=time > 0)[:, month]
    total = time.sum(axis=1)
    return Strata(
        recency=recency,
        cell=cell.astype(np.int64),
        first_of_month=first.astype(np.int64),
        month=month.astype(np.int64),
        days=at_risk,
        cumulative=np.pad(np.cumsum(rate, axis=1), ((0, 0), (1, 0))),
        least=np.divide(events.sum(axis=1), total, out=np.ones(2), where=events.any(axis=1)),
        planned_end=np.where(spells.state == PROSPECT, recency.until, recency.end),
    )


def find_ratios(strata: Strata, touch: IntArray) -> Found:
    """Both ratios of one kind of touch, in each window after it.

    Parameters
    ----------
    touch
        Indexes of its touches, ascending.
    """
    recency = strata.recency
    level = last_touches(recency, touch)
    account = recency.events.account
    accounts = np.array([len(np.unique(account[level == code])) for code in range(LEVELS)])
    enough = np.flatnonzero(accounts[1:] >= LEAST_ACCOUNTS) + 1
    enough = enough if accounts[0] >= LEAST_ACCOUNTS else enough[:0]
    time = _time(strata, touch)
    return Found(
        conversions=np.bincount(level, minlength=LEVELS),
        accounts=accounts,
        account_days=time.sum(axis=(1, 2)),
        between=_between(strata, touch, level, time, enough),
        within=_within(strata, touch, level, enough),
    )


def _time(strata: Strata, touch: IntArray) -> FloatArray:
    """Days at risk, shape ``(level, cell, month)``."""
    cells = len(strata.days)
    time = np.zeros((LEVELS, *strata.days.shape))
    for some in stretches(strata.recency, touch):
        code = (some.level - 1) * cells + strata.cell[some.spell]
        by_day = time_by_day(some.start, some.end, code, (LEVELS - 1) * cells, len(strata.month))
        time[1:] += strata.by_month(by_day).reshape(time[1:].shape)
    time[0] = np.maximum(strata.days - time[1:].sum(axis=0), 0.0)
    return time


def _between(
    strata: Strata, touch: IntArray, level: IntArray, time: FloatArray, enough: IntArray
) -> tuple[Ratio | None, ...]:
    """Mantel-Haenszel rate ratios over strata, with a variance that accounts cluster in.

    The ratio is ``Σ a T0 / T / Σ b T1 / T`` over strata with ``a`` conversions in ``T1`` days of a
    window, ``b`` in ``T0`` days without, ``T = T0 + T1``. Its variance is that of the estimating
    function's residuals (observed less expected conversions), summed by account first.

    References
    ----------
    Rothman, Greenland and Lash, Modern Epidemiology, 3rd ed. 2008, chapter 15 (the ratio);
    Liang and Zeger 1986, Biometrika 73(1) (the variance).
    """
    cell, month = strata.event_places
    count = np.zeros_like(time)
    np.add.at(count, (level, cell, month), 1)
    account = strata.recency.events.account
    residuals = np.zeros((LEVELS - 1, len(strata.recency.journeys.account_ids)))
    sums: dict[int, tuple[float, float]] = {}
    rates: dict[int, FloatArray] = {}
    for window in enough.tolist():
        both = time[window] + time[0]
        without = np.divide(time[0], both, out=np.zeros_like(both), where=both > 0)
        after = np.divide(time[window], both, out=np.zeros_like(both), where=both > 0)
        top, bottom = (count[window] * without).sum(), (count[0] * after).sum()
        if not (top > 0 and bottom > 0):
            continue
        ratio = top / bottom
        expected = ratio * time[window] + time[0]
        rate = (count[window] + count[0]) / np.where(expected > 0, expected, np.inf)
        score = np.where(level == window, without[cell, month], 0.0)
        score -= np.where(level == 0, ratio * after[cell, month], 0.0)
        residuals[window - 1] = np.bincount(account, score, minlength=residuals.shape[1])
        at_level = np.repeat(-(ratio * after * rate)[None], LEVELS, axis=0)
        at_level[window] -= ratio * without * rate
        at_level[0] *= -1.0
        sums[window], rates[window - 1] = (top, bottom), at_level
    _add_time(strata, touch, rates, residuals)
    found: list[Ratio | None] = [None] * (LEVELS - 1)
    for window, (top, bottom) in sums.items():
        variance = (residuals[window - 1] ** 2).sum() / top**2
        found[window - 1] = _ratio(np.log(top / bottom), variance)
    return tuple(found)


def _add_time(
    strata: Strata, touch: IntArray, rates: dict[int, FloatArray], residuals: FloatArray
) -> None:
    """Add the integrals of rates over the time of each account.

    Parameters
    ----------
    rates
        By row of ``residuals``, shape ``(level, cell, month)``: what level 0 has is added over all
        time, what the others have over the time at that level.
    residuals
        Shape ``(row, account)``.
    """
    recency, days = strata.recency, len(strata.month)
    spells = np.arange(len(recency.start))
    everything = Stretches(spells, np.zeros_like(spells), recency.start, recency.end)
    tables = {}
    for row, rate in rates.items():
        by_day = rate[:, :, strata.month]
        tables[row] = by_day, np.pad(np.cumsum(by_day, axis=2), ((0, 0), (0, 0), (1, 0)))
    for part in chain((everything,), stretches(recency, touch) if rates else ()):
        place = part.level, strata.cell[part.spell]
        account = recency.spells.account[part.spell]
        for row, (by_day, sums) in tables.items():
            added = np.zeros(len(part))
            for moment, sign in ((part.end, 1.0), (part.start, -1.0)):
                day = _day(moment, days)
                added += sign * (sums[*place, day] + (moment - day) * by_day[*place, day])
            residuals[row] += np.bincount(account, added, minlength=residuals.shape[1])


def _within(
    strata: Strata, touch: IntArray, level: IntArray, enough: IntArray
) -> tuple[Ratio | None, ...]:
    """Ratios within the accounts that converted, by a self-controlled case series.

    An account that converts once between ``S`` and ``E`` does so at any moment alike, in terms of
    the cumulative rate ``Λ`` of all accounts in its state. Given that it has not yet, the rate is
    ``dΛ / (Λ(E) - Λ(s))``, whatever sort of account it is: what is the same all the time cancels.
    Conversions at a level are held against the integral of that over the time at the level. Touches
    after a conversion are not looked at, because a sale changes whom campaigns touch; so that this
    is right where ratios are not one, each conversion counts ``1 / ratio`` of its own level:
    ``ratio[j] Σ_l G[j, l] / ratio[l] = N[j]``, which is solved as an eigenvalue problem.

    References
    ----------
    Farrington 1995, Biometrics 51(1); Whitaker, Farrington, Spiessens and Musonda 2006, Statistics
    in Medicine 25(10) (the design); Farrington, Whitaker and Hocine 2009, Biostatistics 10(1)
    (events that change later exposures, and such weights).
    """
    found: list[Ratio | None] = [None] * (LEVELS - 1)
    if not len(enough):
        return tuple(found)
    before = _before_events(strata, touch)
    counts = np.bincount(level, minlength=LEVELS).astype(np.float64)
    used = np.flatnonzero(counts)
    place = np.searchsorted(used, level)
    before, counts = before[:, used], counts[used]
    sums = np.stack([np.bincount(place, column, len(used)) for column in before.T])
    values, vectors = np.linalg.eig(sums / counts[:, None])
    largest = int(np.argmax(values.real))
    weight, scale = np.abs(vectors[:, largest].real), float(values[largest].real)
    if not (weight > 1e-12).all() or not scale > 0:
        return tuple(found)
    weight = weight / weight[0]
    # how the equations move with each account (score) and with scale and log ratios (slope)
    score = -before * weight[place, None]
    score[np.arange(len(place)), place] += scale * weight[place]
    owner = np.unique(strata.recency.events.account, return_inverse=True)[1]
    by_account = np.stack([np.bincount(owner, column) for column in score.T], axis=1)
    slope = -(np.diag(scale * counts) - sums) * weight
    slope[:, 0] = counts * weight
    try:
        moved = np.linalg.solve(slope, by_account.T)
    except np.linalg.LinAlgError:
        return tuple(found)
    variance = (moved**2).sum(axis=1)
    for window in enough:
        at = int(np.searchsorted(used, window))
        found[window - 1] = _ratio(-np.log(weight[at]), variance[at])
    return tuple(found)


def _before_events(strata: Strata, touch: IntArray) -> FloatArray:
    """What each account's own time before each event would have had of it, by level.

    Returns
    -------
    Shape ``(event, level)``.
    """
    recency, events = strata.recency, strata.recency.events
    converts = np.zeros(len(recency.journeys.account_ids), dtype=bool)
    converts[events.account] = True
    parts = list(stretches(recency, touch[converts[recency.journeys.touches.account[touch]]]))
    spell, level, start, end = (
        np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0)])
        for name in ("spell", "level", "start", "end")
    )
    stride = strata.recency.days + 2.0
    order = np.argsort(spell * stride + start, kind="stable")
    spell, level = spell[order].astype(np.int64), level[order].astype(np.int64)
    start, end = start[order], end[order]
    grown = _elapsed(strata, spell, end) - _elapsed(strata, spell, start)
    first = np.searchsorted(spell, events.spell)
    last = np.searchsorted(spell * stride + start, events.spell * stride + events.at)
    now = _elapsed(strata, events.spell, events.at)
    before = np.zeros((len(events), LEVELS))
    for code in range(1, LEVELS):
        sums = np.append(0.0, np.cumsum(np.where(level == code, grown, 0.0)))
        before[:, code] = sums[last] - sums[first]
    open_ = np.flatnonzero(last > first)
    current = last[open_] - 1
    over = np.maximum(_elapsed(strata, spell[current], end[current]) - now[open_], 0.0)
    before[open_, level[current]] -= over
    whole = now - _elapsed(strata, events.spell, recency.start[events.spell])
    before[:, 0] = whole - before.sum(axis=1)
    return np.maximum(before, 0.0)


def _elapsed(strata: Strata, spell: IntArray, at: FloatArray) -> FloatArray:
    """``-log(Λ(E) - Λ(at))``, which grows by the rate of those who convert before ``E``."""
    state = strata.recency.spells.state[spell]
    left = _cumulative(strata, state, strata.planned_end[spell]) - _cumulative(strata, state, at)
    return -np.log(np.maximum(left, strata.least[state]))


def _cumulative(strata: Strata, state: IntArray, at: FloatArray) -> FloatArray:
    day = _day(at, len(strata.month))
    begin, after = strata.cumulative[state, day], strata.cumulative[state, day + 1]
    return begin + (at - day) * (after - begin)


def _ratio(log: float, variance: float) -> Ratio | None:
    if not np.isfinite(log) or not variance > 0:
        return None
    inner, outer = (width * np.sqrt(variance) for width in HALF_WIDTHS)
    ends = (log, log - inner, log + inner, log - outer, log + outer)
    return Ratio(*(float(np.exp(end)) for end in ends))


def _day(at: FloatArray, days: int) -> IntArray:
    return np.clip(np.floor(at), 0, days - 1).astype(np.int64)

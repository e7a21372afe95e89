"""When accounts are at risk of converting, in which state, and what of touches falls into that."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import US_PER_DAY, Journeys, Revenue
from attribution.kernels import KERNELS, exposure

__all__ = [
    "CUSTOMER",
    "FORMER",
    "PROSPECT",
    "Spells",
    "account_states",
    "build_spells",
    "clipped",
    "exposed_pairs",
    "joined",
    "risk_by_day",
    "risk_spells",
    "row_sums",
    "summed_exposures",
    "time_by_day",
]

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

PROSPECT, CUSTOMER, FORMER = 0, 1, 2
CHUNK = 1_000_000


@dataclass(frozen=True)
class Spells:
    """Times for which an account is at risk in one state and with one bin of activity.

    By account and time; all of shape ``(spell,)``. ``is_first`` is of those an account begins with.
    """

    account: IntArray
    state: IntArray
    activity: IntArray
    start_us: IntArray
    start_day_only: BoolArray
    end_us: IntArray
    end_day_only: BoolArray
    is_first: BoolArray

    def at(self, wanted: IntArray | BoolArray) -> "Spells":
        """Some of them, by mask or by index."""
        return Spells(**{name: values[wanted] for name, values in vars(self).items()})

    def days_from(self, first_day: int) -> tuple[FloatArray, FloatArray]:
        """Begin and end in days from one since 1970; where only the day is known, its middle."""
        start = self.start_us / US_PER_DAY + 0.5 * self.start_day_only - first_day
        end = self.end_us / US_PER_DAY + 0.5 * self.end_day_only - first_day
        return start, np.maximum(start, end)

    def only(self, accounts: BoolArray) -> "Spells":
        """Those of some accounts, by a mask of shape ``(account,)``."""
        return self.at(accounts[self.account])


def risk_spells(journeys: Journeys) -> tuple[Spells, IntArray]:
    """When accounts are at risk, and the state before each conversion, shape ``(conversion,)``.

    All with the one bin of activity that :func:`attribution.activity.cut_by_activity` begins with.
    """
    state_before, state_after = account_states(journeys.revenue)
    state = state_before[journeys.conversions.row]
    at_risk = {PROSPECT, *(int(code) for code in np.unique(state))}
    spells = build_spells(journeys, state_after, at_risk)
    return spells, np.where(state == FORMER, PROSPECT, state)


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
        activity=np.zeros(int(kept.sum()), dtype=np.int64),
        start_us=start[kept],
        start_day_only=day_only[kept],
        end_us=end[kept],
        end_day_only=end_day_only[kept].astype(bool),
        is_first=is_start[kept],
    )


def risk_by_day(
    spells: Spells, cell: IntArray, cells: int, first_day: int, days: int
) -> FloatArray:
    """Add up, for every day, for how much of it accounts are at risk.

    A moment of which only the day is known is in the middle of it.

    Parameters
    ----------
    cell
        Where to add each spell, shape ``(spell,)``, each < ``cells``.
    first_day, days
        Of the calendar; no spell is outside it.

    Returns
    -------
    In days, shape ``(cell, day)``.
    """
    return time_by_day(*spells.days_from(first_day), cell, cells, days)


def time_by_day(
    start: FloatArray, end: FloatArray, cell: IntArray, cells: int, days: int
) -> FloatArray:
    """The same of any stretches of time, in days since the first of the calendar."""
    # Of the time after a moment, a day has the rest of it, and each later day all.
    risk = np.zeros((cells, days + 2))
    for moment, sign in ((start, 1.0), (end, -1.0)):
        day = np.minimum(np.floor(moment).astype(np.int64), days)
        rest = day + 1 - moment
        np.add.at(risk, (cell, day), sign * rest)
        np.add.at(risk, (cell, day + 1), sign * (1.0 - rest))
    return np.maximum(np.cumsum(risk, axis=1)[:, :days], 0.0)


def clipped(spells: Spells, from_us: IntArray, until_us: IntArray) -> Spells:
    """The parts of spells that lie in one window of each account.

    Parameters
    ----------
    from_us, until_us
        Of each account's window, shape ``(account,)``.
    """
    start = np.maximum(spells.start_us, from_us[spells.account])
    end = np.minimum(spells.end_us, until_us[spells.account])
    moved, ended = start > spells.start_us, end < spells.end_us
    kept = np.flatnonzero(start < end)
    return replace(
        spells,
        start_us=start,
        start_day_only=spells.start_day_only & ~moved,
        end_us=end,
        end_day_only=spells.end_day_only & ~ended,
        is_first=spells.is_first & ~moved,
    ).at(kept)


def exposed_pairs(
    journeys: Journeys, spells: Spells
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Pairs of touches and the spells of risk that follow them, in the order of touches, in chunks.

    Parameters
    ----------
    spells
        By account; one that does not begin before an account's first touch is not ``is_first``.

    Yields
    ------
    Touch and spell of each pair, and the integral of each kernel over the spell, shape
    ``(pair, kernel)``.
    """
    touches = journeys.touches
    counts = np.bincount(spells.account, minlength=len(journeys.account_ids))
    offset = np.cumsum(counts) - counts
    pairs = np.cumsum(counts[touches.account])
    begin = 0
    while begin < len(touches):
        done = pairs[begin - 1] if begin else 0
        end = max(int(np.searchsorted(pairs, done + CHUNK, side="right")), begin + 1)
        rows = np.arange(begin, end)
        account = touches.account[rows]
        repeats = counts[account]
        touch = np.repeat(rows, repeats)
        within = np.arange(len(touch)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        spell = np.repeat(offset[account], repeats) + within
        before = touches.time_us[touch] <= spells.end_us[spell] + US_PER_DAY
        touch, spell = touch[before], spell[before]
        yield touch, spell, _exposure_of_pairs(journeys, spells, touch, spell)
        begin = end


def summed_exposures(
    journeys: Journeys, spells: Spells, like: Callable[[IntArray, IntArray], IntArray]
) -> tuple[IntArray, SingleArray]:
    """The integral of each kernel over the risk that follows touches, summed over like pairs.

    Parameters
    ----------
    spells
        As of :func:`exposed_pairs`.
    like
        Gives the code of pairs of touch and spell; those of one code are summed.

    Returns
    -------
    Codes of the sums that are not zero, ascending, and the sums, shape ``(code, kernel)``; in
    single precision, for there can be nearly as many as touches.
    """
    parts = [(np.zeros(0, dtype=np.int64), np.zeros((0, KERNELS), dtype=np.float32))]
    waiting = 0
    for touch, spell, kernel in exposed_pairs(journeys, spells):
        distinct, row = np.unique(like(touch, spell), return_inverse=True)
        parts.append((distinct, row_sums(kernel, row, len(distinct))))
        waiting += len(distinct)
        if waiting > max(len(parts[0][0]), CHUNK):  # what is like what is not there twice for long
            parts, waiting = [_joined_sums(parts)], 0
    distinct, total = _joined_sums(parts)
    kept = total.any(axis=1)
    return (distinct, total) if kept.all() else (distinct[kept], total[kept])


def _joined_sums(parts: list[tuple[IntArray, SingleArray]]) -> tuple[IntArray, SingleArray]:
    """Of several parts with codes and sums, one with each code once; the parts are let go."""
    distinct, row = np.unique(np.concatenate([code for code, _ in parts]), return_inverse=True)
    every = np.concatenate([sums for _, sums in parts])
    parts.clear()
    return distinct, row_sums(every, row, len(distinct))


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


def joined(parts: Sequence[Spells]) -> tuple[Spells, IntArray]:
    """Spells of several parts, by account, and the number of the part that each is from."""
    names = [field.name for field in fields(Spells)]
    every = Spells(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in names})
    number = np.repeat(np.arange(len(parts)), [len(part.account) for part in parts])
    order = np.argsort(every.account, kind="stable")
    return every.at(order), number[order]


def row_sums(values: NDArray[np.floating], row: IntArray, rows: int) -> SingleArray:
    """Sums of the rows of ``values`` that have the same ``row``, shape ``(rows, column)``."""
    out = np.empty((rows, values.shape[1]), dtype=np.float32)
    for column in range(values.shape[1]):
        out[:, column] = np.bincount(row, values[:, column], minlength=rows)
    return out

"""A placebo: touches after a conversion can't have caused it, so they should not go with it.

A buyer who has decided anyway may search for the company on the way, before the purchase and, now
and then, still after it. Touches of such a channel go with conversions in both directions of time,
and what an observational model credits to them is at least partly not theirs. So it is asked of
each channel: do more of its touches come in the days after a first conversion than would have come
without it, by all that is known besides? What is known is a Hawkes process (Hawkes 1971, Biometrika
58): touches of channel ``c`` come to account ``a`` at the rate

    r_c(state) f_a s_c(day) + Σ_{touches j of other channels, before t} φ(channel of j, c)(t − t_j)

where ``s`` is the channel's calendar, ``f`` how busy the account is by its touches far from its
first conversion, ``r`` one rate before and one after that, and ``φ`` what touches of other channels
set off, in steps over the lag: an ad after a visit, a mail after a webinar. It is fitted by
expectation and maximisation (Marsan and Lengliné 2008, Science 319): a touch is shared among what
may have set it off. The touches that come within some days after conversions, less the integral of
this rate over the same days, is a martingale whose variance is that integral, whatever made
accounts convert when they did.

Touches of the same channel set off nothing here: a hidden intent brings several of one channel, and
is what that would explain away. The price is that a series which goes on after the sale, as mails
of a fixed sequence do, is flagged too, unless it is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from attribution.expected import some_accounts
from attribution.journeys import US_PER_DAY, Journeys

__all__ = ["EDGES_DAYS", "FLAGGED_Z", "Placebo", "placebo"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

EDGES_DAYS = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0])
"""Of the lags after a touch or a conversion; nothing is known of later."""
LAGS = len(EDGES_DAYS) - 1
WIDTHS = np.diff(EDGES_DAYS)
NEAR_DAYS = EDGES_DAYS[-1]
MOST_TOUCHES = 2_000_000
"""What comes without conversions is learned from accounts with so many."""
MEMORY = 30
"""Of the touches before one, so many at most may have set it off."""
STEPS, CALENDAR_EVERY = 60, 10
FADES_DAYS = 4.0
"""What a passing intent brings after the purchase is expected to fade so fast."""
FLAGGED_Z = 3.0


@dataclass(frozen=True)
class Placebo:
    """What came after conversions, and what would have come without them.

    Attributes
    ----------
    seen, expected
        Touches by channel and lag, in the bins of ``EDGES_DAYS``, shape ``(channel, lag)``.
    """

    seen: FloatArray
    expected: FloatArray

    @property
    def z(self) -> FloatArray:
        """How far the soonest were above what was expected, in standard deviations, ``(channel,)``.

        Lags are weighted by ``exp(−days / 4)``.
        """
        weight = np.exp(-EDGES_DAYS[:-1] / FADES_DAYS)
        variance = np.maximum(self.expected @ weight**2, 1e-9)
        return np.asarray(((self.seen - self.expected) @ weight) / np.sqrt(variance))


def placebo(journeys: Journeys, channel: IntArray, left_out: BoolArray | None = None) -> Placebo:
    """Hold what comes after first conversions against what would come without them.

    Parameters
    ----------
    channel
        Index of each touch's channel, shape ``(touch,)``.
    left_out
        Touches that are of a sale, as an onboarding mail is, shape ``(touch,)``; None for none.
    """
    known = _known(journeys, channel, left_out)
    told = known.only(some_accounts(journeys, MOST_TOUCHES))
    pairs, looked_at = _pairs(told), _looked_at(told)
    found = [
        _of_channel(known, one, _fitted(told, pairs, looked_at, one))
        for one in range(known.channels)
    ]
    seen, expected = (np.array(column).reshape(-1, LAGS) for column in zip(*found, strict=True))
    return Placebo(seen, expected)


@dataclass(frozen=True)
class _Known:
    """Touches but for those that open an account's history, and accounts; times in days.

    ``alive`` counts accounts, ``(segment, day)``.
    """

    account: IntArray
    channel: IntArray
    at: FloatArray
    first_day: float
    days: int
    start: FloatArray
    first: FloatArray
    end: float
    segment: IntArray
    alive: FloatArray
    busy: FloatArray
    channels: int

    def only(self, wanted: BoolArray) -> "_Known":
        """Some of the accounts, by a mask, with their touches."""
        kept = wanted[self.account]
        start, segment = self.start[wanted], self.segment[wanted]
        return replace(
            self,
            account=(np.cumsum(wanted) - 1)[self.account[kept]],
            channel=self.channel[kept],
            at=self.at[kept],
            start=start,
            first=self.first[wanted],
            segment=segment,
            alive=_alive(start - self.first_day, segment, self.alive.shape),
            busy=self.busy[wanted],
        )

    def day(self, at: FloatArray) -> IntArray:
        """Index of the day of moments."""
        return np.clip(at - self.first_day, 0, self.days - 1).astype(np.int64)

    def integral(
        self, passed: FloatArray, account: IntArray, begin: FloatArray, end: FloatArray
    ) -> FloatArray:
        """Of a rate by segment and day, given as sums up to each day, ``(segment, day + 1)``."""
        segment = self.segment[account]

        def at(moment: FloatArray) -> FloatArray:
            days = np.clip(moment - self.first_day, 0, self.days - 1e-9)
            day = days.astype(np.int64)
            step = passed[segment, day + 1] - passed[segment, day]
            return np.asarray(passed[segment, day] + (days - day) * step)

        return np.maximum(at(np.minimum(end, self.end)) - at(begin), 0.0)


def _known(journeys: Journeys, channel: IntArray, left_out: BoolArray | None) -> _Known:
    touches, conversions = journeys.touches, journeys.conversions
    start, end = journeys.started_us / US_PER_DAY, journeys.until_us / US_PER_DAY
    first = np.full(len(start), np.inf)
    # where only the day of a conversion is known, what is surely after it begins with the next
    moment = conversions.time_us / US_PER_DAY + conversions.day_only
    np.minimum.at(first, conversions.account, moment)
    at = touches.time_us / US_PER_DAY + 0.5 * touches.day_only
    opening = (np.diff(touches.account, prepend=-1) != 0) & (at <= start[touches.account])
    kept = ~opening if left_out is None else ~(opening | left_out)
    account, of_channel, at = touches.account[kept], channel[kept], at[kept]
    first_day = float(np.floor(start.min(initial=end)))
    days = int(np.ceil(end - first_day)) + 1
    alive = _alive(start - first_day, journeys.segment, (len(journeys.segments), days))
    known = _Known(
        account, of_channel, at, first_day, days, start, first, end, journeys.segment,
        alive, np.ones(len(start)), int(channel.max(initial=-1)) + 1,
    )  # fmt: skip
    return _with_busy(known)


def _alive(start: FloatArray, segment: IntArray, shape: tuple[int, ...]) -> FloatArray:
    """Accounts that are there, by segment and day."""
    begins = np.zeros(shape)
    np.add.at(begins, (segment, np.clip(start, 0, shape[1] - 1).astype(np.int64)), 1.0)
    return np.cumsum(begins, axis=1)


def _pairs(known: _Known) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Touches and, of those of other channels in the days before each, channel and bin of the lag.

    The second is ``channel * LAGS + lag``. There can be thirty times as many as touches, so they
    are kept small.
    """
    account, channel, at = known.account, known.channel, known.at
    touches, sources = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
    for back in range(1, MEMORY + 1):
        touch = np.arange(back, len(at))
        source = touch - back
        near = (account[touch] == account[source]) & (at[touch] - at[source] < NEAR_DAYS)
        if not near.any():
            break
        near &= channel[touch] != channel[source]
        touch, source = touch[near], source[near]
        lag = np.searchsorted(EDGES_DAYS, at[touch] - at[source], side="right") - 1
        touches.append(touch.astype(np.int32))
        sources.append((channel[source] * LAGS + lag).astype(np.int32))
    return np.concatenate(touches), np.concatenate(sources)


def _with_busy(known: _Known) -> _Known:
    """How busy accounts are: a Gamma frailty's mean, by touches far from the first conversion."""
    accounts = np.arange(len(known.start))
    near = np.abs(known.at - known.first[known.account]) <= NEAR_DAYS
    count = np.bincount(known.account[~near], minlength=len(accounts)).astype(np.float64)
    passed = _passed(_by_day(known, np.arange(len(known.at)), None), known.alive)
    end = np.full(len(accounts), known.end)
    mean = known.integral(passed, accounts, known.start, end)
    around = np.clip(known.first, known.start, known.end)
    mean -= known.integral(
        passed,
        accounts,
        np.maximum(around - NEAR_DAYS, known.start),
        np.where(np.isfinite(known.first), np.minimum(around + NEAR_DAYS, end), -np.inf),
    )
    excess = ((count - mean) ** 2 - mean).sum()
    shape = np.clip((mean**2).sum() / max(excess, 1e-9), 0.3, 50.0)
    return replace(known, busy=(count + shape) / (mean + shape))


def _by_day(known: _Known, touch: IntArray, weight: FloatArray | None) -> FloatArray:
    """Touches by segment and day, ``(segment, day)``."""
    place = known.segment[known.account[touch]] * known.days + known.day(known.at[touch])
    count = np.bincount(place, weight, minlength=known.alive.size)
    return np.asarray(count.reshape(known.alive.shape), dtype=np.float64)


def _passed(count: FloatArray, alive: FloatArray) -> FloatArray:
    """Sums up to each day of counts by account that was there, ``(segment, day + 1)``."""
    return np.pad(np.cumsum(count / np.maximum(alive, 1.0), axis=1), ((0, 0), (1, 0)))


def _of_channel(
    known: _Known, channel: int, fitted: tuple[FloatArray, float, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """What was seen and expected of a channel by lag after first conversions, ``(lag,)`` each."""
    mine = np.flatnonzero(known.channel == channel)
    passed, rate, set_off = fitted
    since = known.at[mine] - known.first[known.account[mine]]
    after = (since > 0) & (since < NEAR_DAYS)
    lag = np.searchsorted(EDGES_DAYS, since[after], side="right") - 1
    seen = np.bincount(lag, minlength=LAGS).astype(np.float64)

    converted = np.flatnonzero(np.isfinite(known.first))
    sources = np.flatnonzero(np.abs(known.at - known.first[known.account]) < NEAR_DAYS)
    relative = known.at[sources] - known.first[known.account[sources]]
    ends = known.end - known.first[known.account[sources]]
    expected = np.zeros(LAGS)
    for one, (begin, end) in enumerate(pairwise(EDGES_DAYS.tolist())):
        first = known.first[converted]
        base = known.integral(passed, converted, np.minimum(first + begin, known.end), first + end)
        expected[one] = rate * (known.busy[converted] * base).sum()
        for place in range(LAGS):
            overlap = np.minimum(np.minimum(relative + EDGES_DAYS[place + 1], end), ends)
            overlap -= np.maximum(relative + EDGES_DAYS[place], begin)
            each = set_off[known.channel[sources], place] * np.maximum(overlap, 0.0)
            expected[one] += each.sum()
    return seen, expected


def _fitted(
    known: _Known,
    pairs: tuple[NDArray[np.int32], NDArray[np.int32]],
    looked_at: FloatArray,
    channel: int,
) -> tuple[FloatArray, float, FloatArray]:
    """The rate of a channel's touches.

    Returns
    -------
    The calendar's sums up to each day, the rate of customers beside it, and what touches set off a
    day, shape ``(channel, lag)``.
    """
    mine = np.flatnonzero(known.channel == channel)
    account, everyone = known.account[mine], np.arange(len(known.start))
    late = (known.at[mine] > known.first[account]).astype(np.int64)
    turn = np.clip(np.minimum(known.first, known.end), known.start, known.end)
    number = np.full(len(known.at), -1)
    number[mine] = np.arange(len(mine))
    here = number[pairs[0]] >= 0
    touch, source = number[pairs[0][here]], pairs[1][here]
    risk = np.maximum(looked_at.ravel(), 1e-9)

    def base(own: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The calendar of touches that nothing set off, its value at each, and what it adds up to.

        By state: before and after the first conversion.
        """
        passed = _calendar(known, _by_day(known, mine, own))
        bounds = (known.start, turn, np.full(len(turn), known.end))
        total = [
            (known.busy * known.integral(passed, everyone, begin, end)).sum()
            for begin, end in pairwise(bounds)
        ]
        day, segment = known.day(known.at[mine]), known.segment[account]
        at = (passed[segment, day + 1] - passed[segment, day]) * known.busy[account]
        return passed, at, np.maximum(total, 1e-9)

    own = np.ones(len(mine))
    passed, at, total = base(own)
    rate = 0.8 * np.bincount(late, minlength=2) / total
    set_off = np.full(len(risk), 0.02 * len(mine) / risk.sum())
    for step in range(STEPS):
        if step and step % CALENDAR_EVERY == 0:
            passed, at, total = base(own)
        by_source = set_off[source]
        whole = rate[late] * at + np.bincount(touch, by_source, minlength=len(mine))
        whole = np.maximum(whole, 1e-300)
        own = rate[late] * at / whole
        rate = np.bincount(late, own, minlength=2) / total
        set_off = np.bincount(source, by_source / whole[touch], minlength=len(risk)) / risk
    return passed, float(rate[1]), set_off.reshape(-1, LAGS)


def _looked_at(known: _Known) -> FloatArray:
    """For how much of each lag touches of a channel were looked at, ``(channel, lag)``."""
    left = known.end - known.at
    risk = [
        np.bincount(known.channel, np.clip(left - edge, 0, width), minlength=known.channels)
        for edge, width in zip(EDGES_DAYS, WIDTHS, strict=False)
    ]
    return np.array(risk).T


def _calendar(known: _Known, count: FloatArray) -> FloatArray:
    """How much comes on a day beside the mean day: by segment, by week and by day of the week."""
    week, weekday = np.arange(known.days) // 7, np.arange(known.days) % 7

    def relative(of: Callable[[FloatArray], FloatArray]) -> FloatArray:
        rate = of(count) / np.maximum(of(known.alive), 1.0)
        return np.asarray(rate / max(count.sum() / known.alive.sum(), 1e-12))

    by_week = relative(lambda values: np.bincount(week, values.sum(axis=0)))[week]
    by_weekday = relative(lambda values: np.bincount(weekday, values.sum(axis=0)))[weekday]
    by_segment = relative(lambda values: values.sum(axis=1))
    shape = by_segment[:, None] * by_week * by_weekday
    shape /= max(float((shape * known.alive).sum() / known.alive.sum()), 1e-12)
    return np.pad(np.cumsum(shape, axis=1), ((0, 0), (1, 0)))

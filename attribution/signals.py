"""Which kinds of touch go with revenue, beside what the model holds to be cause."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from attribution.journeys import QUERIES, Journeys, build_journeys, copied
from attribution.ratios import Found, Ratio, build_strata, find_ratios
from attribution.recency import LEVELS, WINDOWS_DAYS, known_time
from attribution.runs import Run, channel_table, published_run
from attribution.versions import channel_draws
from bizops.arrays import decode_arrays
from bizops.database import Connection, opened
from bizops.errors import UsageError
from bizops.intervals import Interval, interval

__all__ = ["NOTE", "Estimate", "Held", "Signal", "Signals", "Window", "find_signals"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NOTE = (
    "Going together is not cause: what makes accounts buy may also make them meet a touch. "
    "The model's columns say what it holds to be cause; only an experiment shows it."
)
BATCH = 2_000


@dataclass(frozen=True)
class Estimate:
    """A posterior mean with its 90 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Held:
    """What the published run's model holds a channel to have caused.

    Attributes
    ----------
    credited
        Conversions.
    incremental_per_touch
        Conversions that one touch adds up to the end of the run's data; None without touches.
    """

    credited: Estimate
    incremental_per_touch: Estimate | None


@dataclass(frozen=True)
class Window:
    """The rate of conversion so many days after the last touch of a kind, relative to without.

    Attributes
    ----------
    from_days, to_days
        Since the last such touch; ``to_days`` is in it, ``from_days`` in the one before.
    conversions, accounts, account_days
        What it rests on: conversions, how many accounts they are of, and the time at risk.
    ratio
        To time without such a touch in all windows, of the same segment, state and month.
    same_accounts
        The same within the accounts that converted: a second opinion.
    note
        Why there is no ratio; None where there is one.
    """

    from_days: float
    to_days: float
    conversions: int
    accounts: int
    account_days: float
    ratio: Ratio | None
    same_accounts: Ratio | None
    note: str | None


@dataclass(frozen=True)
class Signal:
    """A kind of touch.

    Attributes
    ----------
    touch_type
        None for all of the channel, empty for touches that name none.
    touches, accounts
        Touches of this kind, and how many accounts had one.
    without_conversions, without_account_days
        Conversions and time at risk without such a touch in all windows.
    model
        Of the whole channel; None where no model is published that knows it.
    """

    channel: str
    touch_type: str | None
    touches: int
    accounts: int
    without_conversions: int
    without_account_days: float
    windows: tuple[Window, ...]
    model: Held | None

    @property
    def strength(self) -> float:
        """The largest low end of its windows' 90 % intervals; 0 where too few converted."""
        return max((window.ratio.low_90 for window in self.windows if window.ratio), default=0.0)


@dataclass(frozen=True)
class Signals:
    """All kinds, those first that most surely go with revenue.

    Attributes
    ----------
    run_id
        Whose model is shown; None if no run is published, or one of rules only.
    conversions, left_out
        Conversions that were looked at, and those of accounts of which nothing was known before.
    """

    run_id: str | None
    data_until: datetime
    conversions: int
    left_out: int
    signals: tuple[Signal, ...]


def find_signals(database_url: str) -> Signals:
    """Look at every channel, and at every type of touch in it; nothing is written.

    Raises
    ------
    UsageError
        If the database has neither touches of accounts nor revenue.
    """
    with opened(database_url, application="bizops-signals") as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        repeated = ("channel", "campaign_id", "account_id")
        journeys = build_journeys(
            copied(connection, "touches_by_type", repeated),
            copied(connection, "revenue"),
            copied(connection, "accounts"),
        )
        run = published_run(connection)
        held = {} if run is None else _held(connection, run, journeys)
    if not len(journeys.touches) and not len(journeys.revenue):
        raise UsageError(
            "there is nothing to look at: the database has neither touches of accounts nor "
            "revenue; publish some with `bizops produce` and run `bizops stream`"
        )
    recency = known_time(journeys)
    strata = build_strata(recency)
    signals = [
        _signal(channel, kind, journeys, touch, find_ratios(strata, touch), held.get(channel))
        for channel, kind, touch in _kinds(journeys)
    ]
    signals.sort(key=lambda of: (-of.strength, of.channel, of.touch_type or ""))
    return Signals(
        run_id=run.run_id if run is not None and held else None,
        data_until=datetime.fromtimestamp(journeys.until_us / 1e6, UTC),
        conversions=len(recency.events),
        left_out=recency.left_out,
        signals=tuple(signals),
    )


def _kinds(journeys: Journeys) -> Iterator[tuple[str, str | None, IntArray]]:
    """Each channel, and each type of touch where it has several, with its touches."""
    channels = sorted({channel for channel, _ in journeys.units})
    for channel in channels:
        units = [place for place, (name, _) in enumerate(journeys.units) if name == channel]
        yield channel, None, np.flatnonzero(np.isin(journeys.touches.unit, units))
        if len(units) > 1:
            for unit in units:
                kind = journeys.units[unit][1]
                yield channel, kind, np.flatnonzero(journeys.touches.unit == unit)


def _signal(
    channel: str,
    kind: str | None,
    journeys: Journeys,
    touch: IntArray,
    found: Found,
    held: Held | None,
) -> Signal:
    begins = (0.0, *WINDOWS_DAYS)
    windows = []
    for window in range(1, LEVELS):
        ratio = found.between[window - 1]
        windows.append(
            Window(
                from_days=begins[window - 1],
                to_days=begins[window],
                conversions=int(found.conversions[window]),
                accounts=int(found.accounts[window]),
                account_days=float(found.account_days[window]),
                ratio=ratio,
                same_accounts=found.within[window - 1],
                note=None if ratio else "too few",
            )
        )
    return Signal(
        channel=channel,
        touch_type=kind,
        touches=len(touch),
        accounts=len(np.unique(journeys.touches.account[touch])),
        without_conversions=int(found.conversions[0]),
        without_account_days=float(found.account_days[0]),
        windows=tuple(windows),
        model=held,
    )


def _held(connection: Connection, run: Run, journeys: Journeys) -> dict[str, Held]:
    """What a run's model says of each channel that had a touch; nothing if it has rules only."""
    if run.settings.get("rules_only"):
        return {}
    credited = _credited(connection, run)
    added = _incremental(connection, run)
    known = (
        np.ones(len(journeys.touches), dtype=bool)
        if run.data_until is None
        else journeys.touches.time_us <= run.data_until.timestamp() * 1e6
    )
    unit = journeys.touches.unit[known]
    count = np.bincount(unit, minlength=len(journeys.units))
    touches: dict[str, int] = {}
    for (channel, _), number in zip(journeys.units, count.tolist(), strict=True):
        touches[channel] = touches.get(channel, 0) + number
    held = {}
    for channel in credited.keys() | added.keys():
        per_touch = None
        if channel in added and touches.get(channel):
            ends = interval(added[channel], zero_below=1.0)
            per_touch = Estimate(*(float(end) / touches[channel] for end in ends))
        nothing = Estimate(0.0, 0.0, 0.0)
        held[channel] = Held(credited.get(channel, nothing), per_touch)
    return held


def _credited(connection: Connection, run: Run) -> dict[str, Estimate]:
    """Conversions credited to each channel, of all currencies."""
    table = channel_table(connection, run, "bayesian")
    if len({row["currency"] for row in table}) <= 1:
        return {row["channel"]: Estimate(**row["conversions"]) for row in table}
    sums: dict[str, FloatArray] = {}
    for (channel, _), (conversions, _) in channel_draws(connection, run.run_id).items():
        sums[channel] = sums.get(channel, 0.0) + conversions
    return {channel: _estimate(interval(draws, zero_below=1.0)) for channel, draws in sums.items()}


def _incremental(connection: Connection, run: Run) -> dict[str, FloatArray]:
    """Draws of what each channel added in all."""
    sums: dict[str, FloatArray] = {}
    with connection.cursor("incremental") as cursor:
        cursor.itersize = BATCH
        cursor.execute(QUERIES["incremental_by_channel"], (run.run_id,))
        while rows := cursor.fetchmany(BATCH):
            drawn = decode_arrays([row[1] for row in rows]).astype(np.float64)
            for (channel, _), draws in zip(rows, drawn, strict=True):
                sums[channel] = sums.get(channel, 0.0) + draws
    return sums


def _estimate(ends: Interval) -> Estimate:
    return Estimate(*(float(end) for end in ends))

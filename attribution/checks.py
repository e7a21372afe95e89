"""Posterior predictive checks: would the model have made conversions where they were?

For some parts of the time at risk (see ``attribution/expected.py``) the conversions that came are
held against those that the fitted model would make there: ``N | θ ~ Poisson(Λ(θ))``, with ``θ``
from the posterior. The parts are chosen by what was known before each moment, such as the time
after an account's first touch of a channel, so that a touch that follows a sale says nothing.

A check fails where both are so: the count is further from the mean than ``MAX_Z`` standard
deviations of the prediction, and by more than ``max_off`` of it. The first alone would fail every
model given enough data; the second alone would fail small counts by chance. Parts are not
independent, and the data were used to fit: such checks are conservative (Gelman, Meng and Stern,
1996, Statistica Sinica 6; Gelman et al., Bayesian Data Analysis, 3rd ed., 6.3).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.expected import expected, measure, some_accounts
from attribution.features import Features
from attribution.journeys import US_PER_DAY, Journeys
from attribution.posterior import Posterior
from attribution.risk import CUSTOMER, Spells, clipped, joined

__all__ = ["MAX_Z", "Check", "check_predictions"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MAX_Z = 4.0
MAX_OFF, MAX_OFF_OF_MONTH = 0.25, 0.5
"""Relative to the mean. Months are what a season of straight lines is furthest from."""
MOST_TOUCHES = 100_000
"""Of so many touches' accounts at most: what the checks cost does not grow with the data."""
REPLICATES = 8
"""Counts drawn for each draw of the parameters."""
NEVER = np.iinfo(np.int64).max
ONE_MONTH = np.timedelta64(1, "M")


@dataclass(frozen=True)
class Check:
    """Conversions in one part of the time at risk.

    Attributes
    ----------
    kind, name
        What sort of part (``channel``, ``month``, …), and which.
    mean, low, high
        Of the prediction, with a 90 % interval (equal-tailed).
    p
        Share of the predicted counts that are above what was observed, half of those equal to it:
        near 0 where more came than expected, near 1 where fewer did.
    z
        Distance of what was observed from the mean, in standard deviations of the prediction.
    """

    kind: str
    name: str
    observed: int
    mean: float
    low: float
    high: float
    p: float
    z: float

    @property
    def failed(self) -> bool:
        """Whether it is off beyond both limits."""
        off = abs(self.observed - self.mean) > self.max_off * self.mean
        return bool(abs(self.z) > MAX_Z and off)

    @property
    def max_off(self) -> float:
        """How far from the mean the count may be, relative to it, whatever its ``z``."""
        return MAX_OFF_OF_MONTH if self.kind == "month" else MAX_OFF

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        } | {"failed": self.failed}


@dataclass(frozen=True)
class _Part:
    """Some stretches of accounts' time, and which conversions came in them."""

    kind: str
    name: str
    spells: Spells
    came: BoolArray


def check_predictions(
    journeys: Journeys, features: Features, posterior: Posterior, *, seed: int
) -> list[Check]:
    """Hold conversions against predictions, part by part.

    Kinds of part are ``state`` (of each segment), ``activity`` (bins of it), ``channel`` (after an
    account's first touch of a channel, and without one so far), ``no touch`` (before any touch)
    and ``month``.

    Parameters
    ----------
    seed
        Of the predicted counts.
    """
    chosen = some_accounts(journeys, MOST_TOUCHES)
    every = features.spells.only(chosen)
    parts = [
        *_by_state(journeys, features, every),
        *_by_activity(journeys, features, every),
        *_by_channel(journeys, features, every),
        *_by_month(journeys, every),
    ]
    spells, cell = joined([part.spells for part in parts])
    cells = measure(journeys, features, spells, cell, len(parts))
    means = expected(cells, posterior, features.unit_channel)
    of_chosen = chosen[journeys.conversions.account]
    random = np.random.default_rng(seed)
    return [
        _check(part, int((part.came & of_chosen).sum()), means[:, number], random)
        for number, part in enumerate(parts)
    ]


def _check(part: _Part, observed: int, means: FloatArray, random: np.random.Generator) -> Check:
    counts = random.poisson(np.repeat(means, REPLICATES))
    mean = float(means.mean())
    sd = float(np.sqrt(mean + means.var()))
    low, high = np.quantile(counts, (0.05, 0.95))
    return Check(
        part.kind,
        part.name,
        observed,
        mean,
        float(low),
        float(high),
        float((counts > observed).mean() + 0.5 * (counts == observed).mean()),
        (observed - mean) / sd if sd else 0.0,
    )


def _by_state(journeys: Journeys, features: Features, every: Spells) -> Iterator[_Part]:
    segment = journeys.segment[every.account]
    for number, (name, state) in enumerate(features.baselines):
        wanted = (segment == journeys.segments.index(name)) & (every.state == state)
        label = f"{name}, {'customers' if state == CUSTOMER else 'prospects'}"
        yield _Part("state", label, every.at(wanted), features.baseline == number)


def _by_activity(journeys: Journeys, features: Features, every: Spells) -> Iterator[_Part]:
    for number, level in enumerate(features.activity_levels):
        wanted = every.activity == number
        label = f"{np.exp(level):.2g} times the segment's touches"
        yield _Part("activity", label, every.at(wanted), features.activity == number)


def _by_channel(journeys: Journeys, features: Features, every: Spells) -> Iterator[_Part]:
    touches, numbers = journeys.touches, np.arange(len(features.state))
    never, always = _bounds(journeys)
    touched = features.unit_channel[touches.unit]
    pairs = features.unit_channel[features.unit]
    for number, name in [*enumerate(features.channels), (-1, "")]:
        of = touched == number if name else np.ones(len(touches), dtype=bool)
        first = never.copy()
        account, place = np.unique(touches.account[of], return_index=True)
        first[account] = touches.time_us[of][place]
        came = np.isin(
            numbers, features.conversion[pairs == number] if name else features.conversion
        )
        before = clipped(every, always, first)
        if name:
            yield _Part("channel", f"after a touch of {name}", clipped(every, first, never), came)
            yield _Part("channel", f"no touch of {name} so far", before, ~came)
        else:
            yield _Part("no touch", "no touch so far", before, ~came)


def _months(time_us: IntArray) -> NDArray[np.datetime64]:
    months: NDArray[np.datetime64] = (
        (time_us // US_PER_DAY).astype("datetime64[D]").astype("datetime64[M]")
    )
    return months


def _by_month(journeys: Journeys, every: Spells) -> Iterator[_Part]:
    never, _ = _bounds(journeys)
    ends = np.array([journeys.started_us.min(), journeys.until_us - 1])
    first, last = _months(ends)
    starts = _months(journeys.conversions.time_us)
    for month in np.arange(first, last + ONE_MONTH):
        begin, end = (np.full_like(never, _microseconds(at)) for at in (month, month + ONE_MONTH))
        spells = clipped(every, begin, end)
        yield _Part("month", str(month), spells, starts == month)


def _microseconds(month: np.datetime64) -> int:
    return int(month.astype("datetime64[us]").astype(np.int64))


def _bounds(journeys: Journeys) -> tuple[IntArray, IntArray]:
    """Moments after and before all others, of each account."""
    never = np.full(len(journeys.account_ids), NEVER)
    return never, np.zeros_like(never) - NEVER

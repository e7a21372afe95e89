"""What the model expects in parts of the time at risk, and how likely it finds accounts.

A part (a *cell*) is any set of stretches of accounts' time: a month, the time after a first touch
of a channel, one account. The rate's integral over it is ``Λ``. Given the parameters, conversions
in a cell are Poisson with that mean: their count less ``Λ`` is a martingale whose variance is ``Λ``
(Andersen, Borgan, Gill and Keiding, Statistical Models Based on Counting Processes, 1993, II.4).
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.activity import ACTIVITY_BINS
from attribution.contexts import Contexts
from attribution.features import Features
from attribution.journeys import Journeys
from attribution.posterior import Posterior
from attribution.risk import Spells, summed_exposures

__all__ = ["Cells", "account_log_likelihood", "expected", "log_rates", "measure", "some_accounts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Cells:
    """What the rate's integral over cells is a sum of.

    Attributes
    ----------
    count
        Of cells.
    days_cell, days_baseline, days_activity, begin, end
        Of each stretch of time at risk, from and to when in days of the features' calendar; shape
        ``(stretch,)``.
    calendar
        The season's basis on each day, shape ``(day, basis)``.
    contexts
        Of touches.
    cell, state, activity, unit, context, kernels
        Integrals of the kernels over the risk that follows touches, shape ``(row,)`` and
        ``(row, kernel)``.
    """

    count: int
    days_cell: IntArray
    days_baseline: IntArray
    days_activity: IntArray
    begin: FloatArray
    end: FloatArray
    calendar: FloatArray
    contexts: Contexts
    cell: IntArray
    state: IntArray
    activity: IntArray
    unit: IntArray
    context: IntArray
    kernels: NDArray[np.floating]


def some_accounts(journeys: Journeys, most: int) -> BoolArray:
    """About as many accounts as have ``most`` touches, the same ones for every run.

    Chosen by a hash of their ids, so that a share of all accounts is a share of every kind.

    Returns
    -------
    Shape ``(account,)``.
    """
    share = most / max(len(journeys.touches), len(journeys.account_ids), 1)
    if share >= 1:
        return np.ones(len(journeys.account_ids), dtype=bool)
    limit = int(share * 2**64)
    return np.array([_hash(account) < limit for account in journeys.account_ids], dtype=bool)


def _hash(account: str) -> int:
    return int.from_bytes(hashlib.blake2b(account.encode(), digest_size=8).digest())


def measure(
    journeys: Journeys, features: Features, spells: Spells, cell: IntArray, count: int
) -> Cells:
    """Sum up what cells are at risk of.

    Parameters
    ----------
    spells
        By account. A stretch of time that is in several cells is there several times.
    cell
        Of each spell, shape ``(spell,)``, below ``count``.
    """
    place = {name: number for number, name in enumerate(features.baselines)}
    numbers = np.array(
        [[place.get((name, state), 0) for state in (0, 1)] for name in journeys.segments]
    ).reshape(-1, 2)
    contexts, of_context = features.contexts, len(features.contexts.channel)
    units = max(len(journeys.units), 1)
    begin, end = spells.days_from(features.first_day)

    def like(touch: IntArray, spell: IntArray) -> IntArray:
        code = (cell[spell] * units + journeys.touches.unit[touch]) * 2 + spells.state[spell]
        code = code * max(of_context, 1) + contexts.of_touch[touch]
        return np.asarray(code * ACTIVITY_BINS + spells.activity[spell])

    rest, kernels = summed_exposures(journeys, spells, like)
    rest, of_activity = np.divmod(rest, ACTIVITY_BINS)
    rest, context = np.divmod(rest, max(of_context, 1))
    rest, state = np.divmod(rest, 2)
    of_cell, unit = np.divmod(rest, units)
    return Cells(
        count=count,
        days_cell=cell,
        days_baseline=numbers[journeys.segment[spells.account], spells.state],
        days_activity=spells.activity,
        begin=begin,
        end=end,
        calendar=features.calendar,
        contexts=contexts,
        cell=of_cell,
        state=state,
        activity=of_activity,
        unit=unit,
        context=context,
        kernels=kernels,
    )


def expected(cells: Cells, posterior: Posterior, unit_channel: IntArray) -> FloatArray:
    """Conversions that are expected in each cell, ``Λ``, shape ``(draw, cell)``."""
    out = np.empty((len(posterior), cells.count))
    multiplier = posterior.multiplier(cells.contexts)
    days = np.arange(len(cells.calendar) + 1)
    for d in range(len(posterior)):
        season = np.exp(cells.calendar @ posterior.season[d])
        passed = np.concatenate(([0.0], np.cumsum(season)))
        base = np.interp(cells.end, days, passed) - np.interp(cells.begin, days, passed)
        base *= posterior.baseline[d][cells.days_baseline]
        base *= posterior.activity[d][cells.days_activity]
        by_unit = _by_unit(posterior, d, unit_channel)
        added = np.einsum("rb,rb->r", cells.kernels, by_unit[cells.unit])
        added *= multiplier[d][cells.context]
        added *= posterior.state[d][cells.state] * posterior.activity[d][cells.activity]
        out[d] = np.bincount(cells.days_cell, base, minlength=cells.count)
        out[d] += np.bincount(cells.cell, added, minlength=cells.count)
    return out


def _by_unit(posterior: Posterior, draw: int, unit_channel: IntArray) -> FloatArray:
    """What goes with each campaign's touches, caused or not, by kernel, ``(unit, kernel)``."""
    whole = posterior.effect[draw] * (1.0 + posterior.association[draw][unit_channel])
    return np.asarray(whole[:, None] * posterior.weights[draw][unit_channel])


def log_rates(features: Features, posterior: Posterior) -> FloatArray:
    """Log of the rate at each conversion, a day, shape ``(draw, conversion)``."""
    conversions = len(features.state)
    multiplier = posterior.multiplier(features.contexts)
    out = np.empty((len(posterior), conversions))
    for d in range(len(posterior)):
        by_unit = _by_unit(posterior, d, features.unit_channel)
        added = np.einsum("rb,rb->r", features.kernels, by_unit[features.row_unit])
        added *= multiplier[d][features.row_context]
        touched = np.bincount(features.row_conversion, added, minlength=conversions)
        rate = posterior.baseline[d][features.baseline]
        rate = rate * np.exp(features.season @ posterior.season[d])
        rate = rate + posterior.state[d][features.state] * touched
        out[d] = np.log(rate * posterior.activity[d][features.activity])
    return out


def account_log_likelihood(
    journeys: Journeys,
    features: Features,
    spells: Spells,
    accounts: IntArray,
    posterior: Posterior,
    until_us: int | None = None,
) -> FloatArray:
    """Log likelihood of all that accounts did: their conversions, when, and none besides.

    Parameters
    ----------
    spells
        Of these accounts only, up to ``until_us`` if that is given.
    accounts
        Ascending, shape ``(wanted,)``.
    until_us
        Conversions after it do not count.

    Returns
    -------
    Shape ``(draw, wanted)``.
    """
    place = np.full(len(journeys.account_ids), -1)
    place[accounts] = np.arange(len(accounts))
    cells = measure(journeys, features, spells, place[spells.account], len(accounts))
    total = -expected(cells, posterior, features.unit_channel)
    conversions = journeys.conversions
    of = place[conversions.account]
    counted = of >= 0
    if until_us is not None:
        counted &= conversions.time_us <= until_us
    rates = log_rates(features, posterior)[:, counted]
    for d in range(len(posterior)):
        total[d] += np.bincount(of[counted], rates[d], minlength=len(accounts))
    return total

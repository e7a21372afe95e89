"""Held-out log score: does a new fit foresee accounts no worse than the published model does?

Each account is held out in turn. What a model expects of an account that it has not seen is its
predictive density under the posterior given all others,

    log p(y_a | y_−a) = log Σ_d w_d p(y_a | θ_d),    w_d ∝ 1 / p(y_a | θ_d),

with the weights smoothed by Pareto's distribution: PSIS-LOO, no second fit (Vehtari, Gelman and
Gabry, 2017, Statistics and Computing 27; Vehtari et al., 2024, JMLR 25(72)). Both models are asked
about the same accounts and what is known of them now. The published one has seen what accounts did
until its own data ended, so its weights undo that part only: neither is asked what it was told.

The score is the sum over accounts of the difference, new less published; its standard error is
``sqrt(n)`` times the standard deviation of the differences. New is worse where the score is below
zero by more than ``MAX_SE`` standard errors and by more than ``SMALL``: smaller differences are
not told apart reliably (Sivula, Magnusson, Matamoros and Vehtari, 2020, arXiv:2008.10296).
"""

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.activity import activity_at
from attribution.expected import account_log_likelihood, some_accounts
from attribution.features import Features
from attribution.journeys import Journeys
from attribution.kept import Kept
from attribution.posterior import Posterior
from attribution.risk import clipped

__all__ = ["MAX_SE", "SMALL", "Score", "compare_held_out"]

FloatArray = NDArray[np.float64]

MAX_SE = 2.0
SMALL = 4.0
MOST_TOUCHES, MOST_ACCOUNTS = 100_000, 5_000
"""Accounts are chosen by hash up to these, so that the cost does not grow with the data."""


@dataclass(frozen=True)
class Score:
    """How much better a new fit foresees held-out accounts than the published model.

    Attributes
    ----------
    difference, standard_error
        Of the sums of log predictive densities, in nats; above zero where the new fit is better.
    accounts
        How many were held out, each in turn.
    unreliable
        Accounts whose weights could not be smoothed (Pareto's k above its limit).
    """

    published: str
    difference: float
    standard_error: float
    accounts: int
    unreliable: int

    @property
    def failed(self) -> bool:
        """Whether the new fit is worse."""
        return self.difference < -max(MAX_SE * self.standard_error, SMALL)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        numbers = {
            "difference": round(self.difference, 3),
            "standard_error": round(self.standard_error, 3),
        }
        return vars(self) | numbers | {"failed": self.failed}


def compare_held_out(
    journeys: Journeys,
    features: Features,
    posterior: Posterior,
    published: tuple[str, Kept, FloatArray, int],
) -> Score:
    """Hold each of some accounts out in turn, and ask both models about it.

    Parameters
    ----------
    published
        The run, its model, the activity levels that its draws of activity are of, and when its
        data ended, in microseconds since 1970.
    """
    run_id, kept, levels, until_us = published
    before = _aligned(kept, levels, journeys, features)
    chosen = some_accounts(journeys, MOST_TOUCHES)
    accounts = np.flatnonzero(chosen)
    if len(accounts) > MOST_ACCOUNTS:
        chosen = some_accounts(journeys, int(MOST_TOUCHES * MOST_ACCOUNTS / len(accounts)))
        accounts = np.flatnonzero(chosen)
    spells = features.spells.only(chosen)
    always = np.full(len(journeys.account_ids), np.iinfo(np.int64).min)
    known = clipped(spells, always, np.full_like(always, until_us))
    asked = (journeys, features, spells, accounts)
    new = account_log_likelihood(*asked, posterior)
    old = account_log_likelihood(*asked, before)
    seen = account_log_likelihood(journeys, features, known, accounts, before, until_us)
    new_score, new_bad = _held_out(new, new)
    old_score, old_bad = _held_out(old, seen)
    difference = new_score - old_score
    return Score(
        run_id,
        float(difference.sum()),
        float(np.sqrt(len(difference)) * difference.std()),
        len(accounts),
        int((new_bad | old_bad).sum()),
    )


def _held_out(asked: FloatArray, told: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Log predictive density of each account without what it told, and where that is unreliable.

    Parameters
    ----------
    asked, told
        Log likelihoods of what is to be foreseen, and of what the draws were told, ``(draw,
        account)``.
    """
    array_stats: Any = import_module("arviz_stats.base").array_stats  # takes seconds, has no types

    draws = len(told)
    log_weights, pareto_k = np.zeros(told.T.shape), np.zeros(told.shape[1])
    # an account that came after a model's data told it nothing
    spoke = np.flatnonzero(np.ptp(told, axis=0) > 1e-12)
    if len(spoke):
        log_weights[spoke], pareto_k[spoke] = array_stats.psislw(told.T[spoke])
    values = log_weights + asked.T
    top = values.max(axis=1, keepdims=True)
    scores = top[:, 0] + np.log(np.exp(values - top).sum(axis=1))
    norm = log_weights.max(axis=1, keepdims=True)
    scores -= norm[:, 0] + np.log(np.exp(log_weights - norm).sum(axis=1))
    return scores, np.asarray(pareto_k > min(1 - 1 / np.log10(draws), 0.7))


def _aligned(kept: Kept, levels: FloatArray, journeys: Journeys, features: Features) -> Posterior:
    """A model's draws with the campaigns, channels, baselines and activity bins of new features."""
    units = (*kept.units, *(unit for unit in journeys.units if unit not in {*kept.units}))
    wider = kept.extended(units, features.baselines)
    of = wider.posterior
    unit = [wider.units.index(name) for name in journeys.units]
    channel = [wider.channels.index(name) for name in features.channels]
    baseline = [wider.baselines.index(name) for name in features.baselines]
    return replace(
        of,
        baseline=of.baseline[:, baseline],
        effect=of.effect[:, unit],
        weights=of.weights[:, channel],
        channel_effect=of.channel_effect[:, [c for c in channel if c < of.channel_effect.shape[1]]],
        activity=activity_at(of.activity, levels, features.activity_levels),
        saturation=of.saturation[:, channel],
        synergy=_synergy(wider, features)[:, :, channel],
        first=features.contexts.first,
        season=_season(wider, features),
    )


def _synergy(kept: Kept, features: Features) -> FloatArray:
    """By the channels that may come first in the features; none of one that could not before."""
    of = kept.posterior
    found = np.zeros((len(of), len(features.contexts.first), len(kept.channels)))
    for place, number in enumerate(features.contexts.first):
        name = features.channels[number]
        if name in kept.first:
            found[:, place] = of.synergy[:, kept.first.index(name)]
    return found


def _season(kept: Kept, features: Features) -> FloatArray:
    """The season's draws by the features' knots; a moment after the model's last is as that one."""
    draws = kept.posterior.season
    knots = len(kept.knots)
    if not knots or not len(features.knots):
        return np.zeros((len(draws), features.calendar.shape[1]))
    hats = [np.interp(features.knots, kept.knots, row[:knots]) for row in draws]
    return np.column_stack((np.array(hats), draws[:, knots:]))

"""One fit of the product's model to one world, and how far it and the rules are from the truth."""

import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.credit import bayesian_credit, incremental, rule_credit
from attribution.features import Features, build_features
from attribution.journeys import Journeys
from attribution.markov import markov_totals
from attribution.model import load_priors
from attribution.posterior import thinned
from attribution.rulebook import every_path
from attribution.rules import LOOKBACK_DAYS, RULES, Rule
from attribution.sampling import Sampling, sample
from benchmarks.worlds import World, make_world
from bizops.intervals import interval

__all__ = ["CONTESTANTS", "fitted", "scored"]

FloatArray = NDArray[np.float64]
Totals = Callable[[Journeys, Features], FloatArray]
"""Conversions credited to each campaign by something other than the model, ``(unit,)``."""

PROBABILITIES = (0.9, 0.5)


def _by_rule(rule: Rule, journeys: Journeys, features: Features) -> FloatArray:
    credit = rule_credit(journeys, features.pairs, rule, LOOKBACK_DAYS)
    touched = credit.touch >= 0
    unit = journeys.touches.unit[credit.touch[touched]]
    return np.bincount(unit, credit.share[touched], minlength=len(journeys.units))


def _by_markov(order: int, journeys: Journeys, features: Features) -> FloatArray:
    """The usual sum: all conversions by the removal effects, which favours nobody twice."""
    paths, converted = every_path(journeys, features.pairs, LOOKBACK_DAYS)
    return markov_totals(paths, converted, len(journeys.units), order)[0]


CONTESTANTS: dict[str, Totals] = {
    **{name: partial(_by_rule, rule) for name, rule in RULES.items()},
    "markov_1": partial(_by_markov, 1),
}
"""What the model is held against: every rule, and whatever else gives totals by campaign."""


def fitted(world: str, seed: int, conversions: int, settings: Sampling) -> dict[str, Any]:
    """Draw a world and fit it; as plain values, an error included, so that one costs no other."""
    head = {"world": world, "seed": seed, "target": conversions}
    try:
        return head | scored(make_world(world, seed, conversions), settings)
    except Exception:  # whatever it is, it is told in the table and the other fits go on
        return head | {"error": traceback.format_exc()}


def scored(world: World, settings: Sampling) -> dict[str, Any]:
    """Fit the model to a world and put everything beside the truth.

    Returns
    -------
    ``conversions``, ``touches``, ``seconds`` by step, ``gates``, ``failed`` and, under
    ``by_channel`` and ``by_campaign``, one list of numbers a name: ``truth``, ``realised``; of what
    the model says touches add in expectation ``added`` (its mean) with ``added_sd``,
    ``added_low_90`` and so on; of the credit it gives for what happened ``credit`` likewise; and
    under ``contestants`` the totals of each, unscaled.
    """
    journeys, truth = world.journeys, world.truth
    began = time.process_time()
    features = build_features(journeys)
    seconds = {"features": time.process_time() - began}
    wall = time.perf_counter()
    began = time.process_time()
    tree, gates, _ = sample(features, load_priors(), settings)
    seconds |= {"sample": time.process_time() - began, "wall": time.perf_counter() - wall}
    began = time.process_time()
    posterior = thinned(tree, features, seed=settings.seed)
    credit = bayesian_credit(features, journeys.touches.unit, posterior)[1]
    _, unit, added = incremental(features, posterior)
    seconds["credit"] = time.process_time() - began

    units = len(journeys.units)
    touched = credit.unit >= 0
    draws = {
        "added": _summed(unit, added, units),
        "credit": _summed(credit.unit[touched], credit.shares[touched], units),
    }
    totals = {name: total(journeys, features) for name, total in CONTESTANTS.items()}
    place = {"by_campaign": np.arange(units), "by_channel": features.unit_channel}
    return {
        "conversions": len(journeys.conversions),
        "accounts": len(journeys.account_ids),
        "touches": len(journeys.touches),
        "settings": asdict(settings),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "gates": gates.summary,
        "failed": list(gates.failed),
        "campaigns": [list(names) for names in journeys.units],
        "channels": list(features.channels),
        "total": _estimates(draws, np.zeros(units, dtype=np.int64)),
    } | {
        name: {
            "truth": _grouped(truth.conversions, group),
            "realised": _grouped(truth.realised, group),
            "contestants": {who: _grouped(total, group) for who, total in totals.items()},
            **_estimates(draws, group),
        }
        for name, group in place.items()
    }


def _summed(unit: NDArray[np.int64], rows: NDArray[np.floating], units: int) -> FloatArray:
    """Draws added up by campaign, ``(draw, unit)``."""
    sums = np.zeros((units, rows.shape[1]))
    np.add.at(sums, unit, rows.astype(np.float64))
    return sums.T


def _grouped(values: FloatArray, group: NDArray[np.int64]) -> list[float]:
    return [round(value, 4) for value in np.bincount(group, values).tolist()]


def _estimates(draws: dict[str, FloatArray], group: NDArray[np.int64]) -> dict[str, list[float]]:
    """Means, standard deviations and intervals of the sums by group; sums first, draw by draw."""
    found: dict[str, list[float]] = {}
    for name, by_unit in draws.items():
        sums = np.stack([np.bincount(group, row) for row in by_unit])
        columns = {name: sums.mean(axis=0), f"{name}_sd": sums.std(axis=0)}
        for probability in PROBABILITIES:
            _, low, high = interval(sums, probability=probability, zero_below=1.0)
            ends = f"{100 * probability:.0f}"
            columns |= {f"{name}_low_{ends}": low, f"{name}_high_{ends}": high}
        found |= {key: [round(x, 4) for x in value.tolist()] for key, value in columns.items()}
    return found

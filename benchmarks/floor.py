"""The least error that any method could have in a world: that of who knows all but the effects.

    python -m benchmarks.floor --worlds sparse,censored --seeds 20

This observer is told how a world was made: every account's propensity and what it buys anyway, the
delays of each channel, what wear and order make of each touch, and the distribution that campaigns'
effects were drawn from. Unknown are the effects themselves and which purchase had which cause. Its
posterior is exact but for Monte Carlo error, and its median has the least expected absolute error
there is (of the distribution of worlds): a model that has to learn the rest cannot be below it.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attribution.features import build_features
from attribution.journeys import US_PER_DAY
from benchmarks.scores import CONTESTANTS
from benchmarks.truth import LEVELS, error, worlds_among
from benchmarks.worlds import WORLDS, World, make_world
from benchmarks.worlds.spec import Spec
from benchmarks.worlds.touches import STRENGTH_SPREAD, season
from benchmarks.worlds.world import START_US

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SWEEPS, BURN_IN = 1_000, 200
GRID = np.linspace(-5.0, 5.0, 201)


def worlds_known() -> list[str]:
    """Worlds in which accounts buy once, for causes that are all effects or known rates."""
    return [
        name
        for name, spec in WORLDS.items()
        if not (spec.again or spec.intents_per_year or spec.null_share or spec.day_only)
    ]


class Known(NamedTuple):
    """What the observer knows of a world.

    ``cause`` and ``rate`` are candidates of purchases, shape ``(candidate,)``: the campaign (or the
    number of campaigns where it comes anyway), and what the rate at the purchase's time is made of
    per unit of effect; those of one purchase lie together and begin at ``begins``, ``(purchase,)``.
    ``risk`` is the integral of what each campaign's touches would set off at an effect of one.
    """

    cause: IntArray
    rate: FloatArray
    begins: IntArray
    risk: FloatArray


def main() -> None:
    options = _options()
    jobs = list(product(options.worlds, range(1, options.seeds + 1), [options.conversions]))
    with ProcessPoolExecutor(options.jobs) as pool:
        found = list(pool.map(_look, *zip(*jobs, strict=True)))
    head = (
        "world",
        "seeds",
        *(
            f"{what} {level.removeprefix('by_')}"
            for level in LEVELS
            for what in ("least error", "best rule", "ratio", "in 90 %")
        ),
    )
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in options.worlds:
        of_world = [one for (world, *_), one in zip(jobs, found, strict=True) if world == name]
        print(f"| {' | '.join(_row(name, of_world))} |")


def _look(name: str, seed: int, conversions: int) -> dict[str, Any]:
    """Truth, the observer's medians and the rules' totals by level, in one world."""
    world = make_world(name, seed, conversions)
    features = build_features(world.journeys)
    draws = posterior(world, np.random.default_rng(seed))
    totals = {who: total(world.journeys, features) for who, total in CONTESTANTS.items()}
    units = len(world.journeys.units)
    result = {}
    for level, group in zip(LEVELS, (features.unit_channel, np.arange(units)), strict=True):
        truth = np.bincount(group, world.truth.conversions)
        sums = np.stack([np.bincount(group, row) for row in draws])
        low, high = np.quantile(sums, (0.05, 0.95), axis=0)
        result[level] = {
            "truth": truth,
            "median": np.median(sums, axis=0),
            "held": (low <= truth) & (truth <= high),
            "rules": {who: np.bincount(group, total) for who, total in totals.items()},
        }
    return result


def _row(name: str, seeds: Sequence[dict[str, Any]]) -> list[str]:
    cells = [f"`{name}`", f"{len(seeds)}"]
    for level in LEVELS:
        of_level = [one[level] for one in seeds]
        least = np.mean([error(one, one["median"], scaled=False) for one in of_level])
        best = min(
            np.mean([error(one, one["rules"][who]) for one in of_level]) for who in CONTESTANTS
        )
        held = np.concatenate([one["held"] for one in of_level]).mean()
        cells += [f"{least:.2f}", f"{best:.2f}", f"{least / best:.2f}", f"{held:.2f}"]
    return cells


def posterior(world: World, random: np.random.Generator) -> FloatArray:
    """What each campaign adds in expectation, drawn given all but effects, ``(draw, unit)``.

    Gibbs sampling of causes, effects and their channels' means.
    """
    spec, campaigns = world.causes.spec, world.causes.campaigns
    known = observed(world)
    count, channel = len(campaigns.effect), campaigns.channel
    strength = np.log([one.strength for one in spec.channels])
    scale = np.mean(np.log(campaigns.effect) - strength[channel])
    centre, spread = strength + scale, spec.campaign_spread
    log_effect, mean = centre[channel].copy(), centre.copy()
    kept = np.empty((SWEEPS, count))
    for sweep in range(-BURN_IN, SWEEPS):
        effect = np.append(np.exp(log_effect), 1.0)
        due = np.bincount(_causes(known, effect, random), minlength=count + 1)[:count]
        log = mean[channel][:, None] + spread * GRID
        density = due[:, None] * log - known.risk[:, None] * np.exp(log) - 0.5 * GRID**2
        chance = np.exp(density - density.max(axis=1, keepdims=True)).cumsum(axis=1)
        place = (chance < random.random(count)[:, None] * chance[:, -1:]).sum(axis=1)
        log_effect = mean[channel] + spread * GRID[place]
        precision = np.bincount(channel) / spread**2 + 1.0 / STRENGTH_SPREAD**2
        total = np.bincount(channel, log_effect) / spread**2 + centre / STRENGTH_SPREAD**2
        mean = total / precision + random.normal(size=len(mean)) / np.sqrt(precision)
        if sweep >= 0:
            kept[sweep] = np.exp(log_effect)
    names = [campaigns.names.index(campaign) for _, campaign in world.journeys.units]
    per_effect = world.truth.conversions / campaigns.effect[names]
    return kept[:, names] * per_effect


def _causes(known: Known, effect: FloatArray, random: np.random.Generator) -> IntArray:
    """A cause drawn for each purchase, ``(purchase,)``."""
    edges = np.cumsum(effect[known.cause] * known.rate)
    below = np.r_[0.0, edges][known.begins]
    above = edges[np.r_[known.begins[1:], len(edges)] - 1]
    place = below + random.random(len(below)) * (above - below)
    return known.cause[np.searchsorted(edges, place)]


def observed(world: World) -> Known:
    """What who knows all but effects has seen of a world."""
    causes, spec = world.causes, world.causes.spec
    touches, campaigns, accounts = causes.touches, causes.campaigns, causes.accounts
    bought = world.tables["revenue"]
    account = bought["account_id"].combine_chunks().indices.to_numpy().astype(np.int64)
    at = (bought["time_us"].to_numpy() - START_US) / US_PER_DAY
    end = np.full(len(accounts), spec.days)
    end[account] = at
    relative = causes.effect / campaigns.effect[touches.campaign]
    channel = campaigns.channel[touches.campaign]
    reach = relative * _delayed(spec, channel, end[touches.account] - touches.at)[1]
    anyway = causes.organic[account] / (spec.days - accounts.entered[account])
    if spec.seasonal:
        anyway *= season(at)

    first = np.searchsorted(touches.account, account)
    many = np.searchsorted(touches.account, account, side="right") - first
    purchase = np.repeat(np.arange(len(account)), many)
    touch = np.arange(len(purchase)) + np.repeat(first - np.r_[0, many.cumsum()[:-1]], many)
    density = _delayed(spec, channel[touch], at[purchase] - touches.at[touch])[0]
    purchase = np.r_[np.arange(len(account)), purchase]
    order = np.argsort(purchase, kind="stable")
    cause = np.r_[np.full(len(account), len(campaigns.effect)), touches.campaign[touch]]
    return Known(
        cause=cause[order],
        rate=np.r_[anyway, relative[touch] * density][order],
        begins=np.searchsorted(purchase[order], np.arange(len(account))),
        risk=np.bincount(touches.campaign, reach, minlength=len(campaigns.effect)),
    )


def _delayed(spec: Spec, channel: IntArray, days: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Density of a delay of so many days, and the share of effects that come within them."""
    scale = spec.delay_scale * np.array([one.delay_days for one in spec.channels])[channel]
    kind = np.array([one.delay for one in spec.channels])[channel]
    x = np.maximum(days, 1e-6) / scale
    density = {
        "exponential": np.exp(-x),
        "erlang": x * np.exp(-x),
        "loglogistic": 2.0 * x / (1.0 + x**2) ** 2,
        "weibull": 0.7 * x**-0.3 * np.exp(-(x**0.7)),
    }
    within = {
        "exponential": 1.0 - np.exp(-x),
        "erlang": 1.0 - (1.0 + x) * np.exp(-x),
        "loglogistic": x**2 / (1.0 + x**2),
        "weibull": 1.0 - np.exp(-(x**0.7)),
    }
    past = days > 0
    chosen = [kind == name for name in density]
    return (
        np.select(chosen, list(density.values())) / scale * past,
        np.select(chosen, list(within.values())) * past,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.floor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    known = worlds_known()
    parser.add_argument(
        "--worlds", type=worlds_among(known), default=known, help="a,b; all unless told"
    )
    parser.add_argument("--seeds", type=int, default=20, help="worlds of each kind")
    parser.add_argument("--conversions", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    return parser.parse_args()


if __name__ == "__main__":
    main()

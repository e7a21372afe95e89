"""Simulation-based calibration: does the fit say what the model says, no more and no less?

    python -m benchmarks.calibration --fits 100

Parameters are drawn from a prior, conversions from the model with these parameters, and the model
is fitted to them. Over many such worlds the rank of the true value among the draws is uniform, if
everything is right: features, density, sampler and what is computed from draws (Talts, Betancourt,
Simpson, Vehtari and Gelman 2018, arXiv:1804.06788). That the model is right about the world is
another question, which ``benchmarks.truth`` asks.

The priors are the model's but narrower, and centred on fixed numbers rather than on the data's own.
Accounts buy once, and the busier they are the more, or the less. How busy is what is known of all
their touches, where the fit has those before the sale. One channel is tested: of what goes with its
touches a share is theirs.
"""

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import chi2

import attribution.inputs
import attribution.posterior
import attribution.sampling
from attribution.credit import incremental
from attribution.experiments import LiftTests
from attribution.features import Features, build_features
from attribution.journeys import US_PER_DAY, Journeys, build_journeys
from attribution.kernels import HALF_LIVES_DAYS, bump_weights
from attribution.model import Priors, context_design, load_priors, season_design
from attribution.posterior import thinned
from attribution.sampling import Sampling, sample

__all__ = ["World", "one_fit"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

START_US = 1_704_067_200_000_000  # the first of January 2024, a Monday
DAYS, ACCOUNTS, CHANNELS, CAMPAIGNS = 360, 900, 3, 4
TOUCHES_A_YEAR = (4.0, 6.0, 3.0)
TESTED, TESTED_DAYS, STANDARD_ERROR = "channel-0", (120, 300), 6.0
CENTRE = (float(np.log(4e-4)), float(np.log(0.02)))
"""Logs of the baseline rate and of a touch's effect, in place of those found in the data."""
NARROWER = 0.5
RANKS, BINS = 99, 10
Ranks = dict[str, list[int]]


@dataclass(frozen=True)
class World:
    """Touches that stay as they are, and what the model needs of them."""

    tables: dict[str, Any]
    journeys: Journeys
    features: Features
    priors: Priors


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--fits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    ranks: Ranks = {}
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        seeds = range(options.seed, options.seed + options.fits)
        futures = [pool.submit(one_fit, seed) for seed in seeds]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                for name, rank in future.result().items():
                    ranks.setdefault(name, []).extend(rank)
                print(f"\r{done} of {options.fits} fits", end="", file=sys.stderr, flush=True)
        except KeyboardInterrupt:  # what there is so far
            pool.shutdown(wait=False, cancel_futures=True)
    print(f"\n{_table(ranks)}")


def one_fit(seed: int) -> Ranks:
    """Draw a world from the model, fit it, and rank the truth among the draws."""
    rng = np.random.default_rng(seed)
    world = _world(rng)
    truth = _drawn(world, rng)
    tables = world.tables | {"revenue": _revenue(world, truth, rng)}
    features = _tested(build_features(build_journeys(**tables, lift_tests=_test())), truth, rng)
    attribution.inputs.centres = attribution.sampling.centres = lambda _: CENTRE
    attribution.posterior.STRUCTURAL_DOUBT = 0.0
    tree, _, _ = sample(features, world.priors, Sampling(seed, draws=400, tune=400, chains=2))
    ranks: Ranks = {}
    for name, value in truth.items():
        if name in tree["posterior"] and name != "log_effect":
            draws = np.asarray(tree["posterior"][name].values).reshape(-1, len(value))
            ranks[name] = _ranks(draws, value)
    posterior = thinned(tree, features, seed=seed, draws=RANKS)
    _, unit, added = incremental(features, posterior)
    totals = np.zeros((CHANNELS, added.shape[1]))
    np.add.at(totals, features.unit_channel[unit], added.astype(np.float64))
    ranks["conversions added, by channel"] = _ranks(totals.T, _added(features, truth))
    return ranks


def _ranks(draws: FloatArray, truth: FloatArray) -> list[int]:
    """Draws below the truth, of ``RANKS`` far enough apart to be independent."""
    chosen = draws[np.linspace(0, len(draws) - 1, RANKS).round().astype(np.int64)]
    return [int(below) for below in (chosen < truth).sum(axis=0)]


def _world(rng: np.random.Generator) -> World:
    """Accounts with touches; one sale, so that features can be made of them."""
    count = rng.poisson(np.array(TOUCHES_A_YEAR) * ACCOUNTS * DAYS / 365)
    channel = np.repeat(np.arange(CHANNELS), count)
    campaign = channel * CAMPAIGNS + rng.integers(CAMPAIGNS, size=len(channel))
    at = rng.uniform(0, DAYS - 1e-3, len(channel))
    at[:2] = (0.0, DAYS - 1e-3)  # so that the data begin and end when they do
    busy = rng.gamma(1.0, size=ACCOUNTS)
    account = rng.choice(ACCOUNTS, size=len(channel), p=busy / busy.sum())
    ids = [f"account-{n:05}" for n in range(ACCOUNTS)]
    tables = {
        "touches": pa.table(
            {
                "event_id": [f"touch-{n:06}" for n in range(len(at))],
                "account_id": [ids[a] for a in account],
                "channel": [f"channel-{c}" for c in channel],
                "campaign_id": [f"campaign-{c:02}" for c in campaign],
                **_moments(at),
            }
        ),
        "accounts": pa.table(
            {
                "account_id": ids,
                "segment": [("small", "large")[n % 2] for n in range(ACCOUNTS)],
                "time_us": pa.array(np.full(ACCOUNTS, START_US), pa.int64()),
            }
        ),
    }
    sale = _revenue_table(np.array([0]), np.array([DAYS - 2e-3]))
    journeys = build_journeys(**tables, revenue=sale, lift_tests=_test())
    priors = {name: (mean, NARROWER * sd) for name, (mean, sd) in load_priors().items()}
    return World(tables, journeys, build_features(journeys), priors)


def _test() -> LiftTests:
    """What was tested; what it found is drawn with the world."""
    start_us, end_us = (START_US + day * US_PER_DAY for day in TESTED_DAYS)
    return LiftTests(
        ("test",), (TESTED,), ("",), np.array([start_us]), np.array([end_us]),
        np.zeros(1), np.array([STANDARD_ERROR]),
    )  # fmt: skip


def _tested(features: Features, truth: dict[str, FloatArray], rng: np.random.Generator) -> Features:
    """With what a test would find of what the touches of its window added."""
    lift = features.lift
    rows = (lift.sums * _weights(truth)[features.unit_channel[lift.unit]]).sum(axis=1)
    rows *= _activity(features, truth)[lift.activity] * _multiplier(features, truth)[lift.context]
    added = _caused(truth)[0] * (rows * np.exp(truth["log_effect"])[lift.unit]).sum()
    found = np.array([added + STANDARD_ERROR * rng.normal()])
    return replace(features, lift=replace(lift, found=found))


def _moments(at: FloatArray) -> dict[str, Any]:
    time_us = START_US + np.floor(at * US_PER_DAY).astype(np.int64)
    return {
        "time_us": pa.array(time_us, pa.int64()),
        "day_only": pa.array(np.zeros(len(at)), pa.int8()),
    }


def _revenue_table(account: IntArray, at: FloatArray) -> Any:
    return pa.table(
        {
            "event_id": pa.array([f"sale-{n:05}" for n in range(len(at))], pa.string()),
            "account_id": pa.array([f"account-{a:05}" for a in account], pa.string()),
            "kind": pa.array(["new"] * len(at), pa.string()),
            "iacv": pa.array(["1000.00"] * len(at), pa.string()),
            "currency": pa.array(["USD"] * len(at), pa.string()),
            **_moments(at),
        }
    )


def _drawn(world: World, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Parameters of the model out of its prior."""
    features, priors = world.features, world.priors

    def normal(name: str, size: int, at: Any = 0.0) -> FloatArray:
        mean, sd = priors[name]
        return np.asarray(mean + at + sd * rng.normal(size=size))

    scale = normal("log_effect_scale", 1, CENTRE[1])
    channel = normal("log_channel_effect", CHANNELS, scale)
    shape = normal("log_effect_shape", 1)
    units = features.unit_channel
    effect = np.exp(channel[units]) * rng.gamma(np.exp(shape), 1.0, len(units)) / np.exp(shape)
    return {
        "log_baseline": normal("log_baseline", len(features.baselines), CENTRE[0]),
        "log_effect_scale": scale,
        "log_channel_effect": channel,
        "log_effect_shape": shape,
        "kernel_log_peak": normal("kernel_log_peak", CHANNELS),
        "kernel_log_width": normal("kernel_log_width", CHANNELS),
        "kernel_rise": normal("kernel_rise", CHANNELS),
        "log_effect": np.log(np.maximum(effect, 1e-300)),
        "season": normal("season", features.calendar.shape[1]),
        "log_saturation": normal("log_saturation", CHANNELS),
        "synergy": rng.logistic(*priors["synergy"], len(features.contexts.sequences())),
        "activity_power": normal("activity_power", 1),
        "activity_curve": normal("activity_curve", 1),
        "logit_caused": rng.logistic(*priors["logit_caused"], 1),
    }


def _caused(truth: dict[str, FloatArray]) -> FloatArray:
    """The share of what goes with its touches that is each channel's, the first being tested."""
    return np.r_[1.0 / (1.0 + np.exp(-truth["logit_caused"])), np.ones(CHANNELS - 1)]


def _activity(features: Features, truth: dict[str, FloatArray]) -> FloatArray:
    """What each bin of activity multiplies rates by."""
    levels = features.activity_levels
    return np.asarray(
        np.exp(truth["activity_power"] * levels + truth["activity_curve"] * levels**2)
    )


def _multiplier(features: Features, truth: dict[str, FloatArray]) -> FloatArray:
    log_repeats, follows = context_design(features)
    power = np.exp(truth["log_saturation"])[features.contexts.channel]
    return np.asarray(np.exp(follows @ truth["synergy"] - power * log_repeats))


def _weights(truth: dict[str, FloatArray]) -> FloatArray:
    rise = 1.0 / (1.0 + np.exp(-truth["kernel_rise"]))
    return bump_weights(truth["kernel_log_peak"], np.exp(truth["kernel_log_width"]), rise)


def _added(features: Features, truth: dict[str, FloatArray]) -> FloatArray:
    """What touches add in expectation, by channel, while accounts are at risk."""
    channel = features.unit_channel[features.exposure_unit]
    worth = _activity(features, truth)[features.activity_nodes]
    exposures = np.einsum("saek,a->ek", features.exposures, worth)
    rows = exposures * _weights(truth)[channel]
    added = rows.sum(axis=1) * _multiplier(features, truth)[features.exposure_context]
    added *= np.exp(truth["log_effect"])[features.exposure_unit]
    return np.bincount(channel, added, minlength=CHANNELS) * _caused(truth)


def _revenue(world: World, truth: dict[str, FloatArray], rng: np.random.Generator) -> Any:
    """First purchases: each touch sets off so many, each account some anyway; the first counts."""
    journeys, features = world.journeys, world.features
    touches = journeys.touches
    busiest = _activity(features, truth).max()
    effect = busiest * np.exp(truth["log_effect"])[touches.unit]
    effect *= _multiplier(features, truth)[features.contexts.of_touch]
    touch = np.repeat(np.arange(len(touches)), rng.poisson(effect))
    weights = _weights(truth)[features.unit_channel[touches.unit[touch]]]
    kernel = (np.cumsum(weights, axis=1) < rng.random(len(touch))[:, None]).sum(axis=1)
    rising, half_life = np.divmod(np.minimum(kernel, weights.shape[1] - 1), len(HALF_LIVES_DAYS))
    delay = rng.gamma(1.0 + rising, HALF_LIVES_DAYS[half_life] / np.log(2) / (1.0 + rising))
    at = (touches.time_us[touch] - START_US) / US_PER_DAY + delay

    season = np.exp(season_design(features) @ truth["season"])
    names = [name for name, _ in features.baselines]
    base = np.exp(truth["log_baseline"])[[names.index(name) for name in journeys.segments]]
    mean = busiest * base[journeys.segment][:, None] * season[:DAYS]
    account, day = np.nonzero(rng.poisson(mean))
    account = np.concatenate((touches.account[touch], account))
    at = np.concatenate((at, day + rng.random(len(day))))
    inside = at < DAYS - 2e-3
    account, at = account[inside], at[inside]
    kept = rng.random(len(at)) * busiest < _activity_then(features, truth, account, at)
    account, at = account[kept], at[kept]
    order = np.lexsort((at, account))
    first = order[np.diff(account[order], prepend=-1) != 0]
    return _revenue_table(account[first], at[first])


def _activity_then(
    features: Features, truth: dict[str, FloatArray], account: IntArray, at: FloatArray
) -> FloatArray:
    """What accounts' activity, as it was known at each moment, multiplies their rates by."""
    spells = features.spells
    order = np.lexsort((spells.start_us, spells.account))
    age = np.clip((spells.start_us[order] - START_US) / US_PER_DAY, 0, DAYS)
    spell = np.searchsorted(
        spells.account[order] * 2.0 * DAYS + age, account * 2.0 * DAYS + at, side="right"
    )
    return _activity(features, truth)[spells.activity[order][spell - 1]]


def _table(ranks: Ranks) -> str:
    """By parameter: a test for uniform ranks, and how many intervals hold the truth."""
    lines = [
        "| parameter | ranks | p of a chi-square | in 50 % | in 90 % |",
        "|---|---|---|---|---|",
    ]
    for name, found in ranks.items():
        rank = np.array(found)
        count = np.bincount(rank * BINS // (RANKS + 1), minlength=BINS)
        even = len(rank) / BINS
        p = chi2.sf(((count - even) ** 2 / even).sum(), BINS - 1)
        share = np.abs(rank / RANKS - 0.5)
        inside = [f"{np.mean(share <= level / 2):.2f}" for level in (0.5, 0.9)]
        lines.append(f"| `{name}` | {len(rank)} | {p:.3f} | {' | '.join(inside)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""The model beside ChannelAttribution's Markov and PyMC-Marketing's MMM, on the same journeys.

    python -m benchmarks.rivals --worlds additive,propensity --seeds 2

Each world is given to all: our model and our Markov chain in closed form, ChannelAttribution (paths
of campaigns, by simulation), and an MMM (weekly touches by channel, weekly conversions). Errors are
by channel, ``Σ|estimate − truth| / Σ truth``; the Markov totals, which have no baseline, are scaled
to the true total first, the models are not. Rivals are installed into a cache of the benchmark's
own; times are wall-clock, without their start and installation. In brackets is how many times our
model's each error and time is.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.credit import incremental
from attribution.features import build_features
from attribution.journeys import US_PER_DAY
from attribution.markov import markov_totals
from attribution.model import load_priors
from attribution.posterior import thinned
from attribution.rulebook import every_path
from attribution.rules import LOOKBACK_DAYS
from attribution.sampling import Sampling, sample
from benchmarks.peers.environments import python_with
from benchmarks.truth import worlds_among
from benchmarks.worlds import WORLDS, World, make_world

__all__ = ["main"]

FloatArray = NDArray[np.float64]
Found = tuple[FloatArray, float]
"""Conversions by channel, and seconds."""

CHANNEL_ATTRIBUTION = ("ChannelAttribution==2.2.5", "matplotlib")
MARKETING = ("pymc-marketing==1.3.0", "nutpie")
APPS = Path(__file__).parent / "peers"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rivals", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--worlds", type=worlds_among(WORLDS), default="additive,propensity,retargeting,order"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--conversions", type=int, default=3000)
    options = parser.parse_args()
    print("| world | " + " | ".join(f"{name}: error, seconds" for name in CONTESTANTS) + " |")
    print("|---" * (len(CONTESTANTS) + 1) + "|")
    for name in options.worlds:
        for seed in range(1, options.seeds + 1):
            world = make_world(name, seed, options.conversions)
            found = [_measured(world, contestant) for contestant in CONTESTANTS.values()]
            cells = [
                f"{error:.2f} ({error / found[0][0]:.1f}), {seconds:.1f} s "
                f"({seconds / found[0][1]:.2f})"
                for error, seconds in found
            ]
            print(f"| `{name}`, seed {seed} | {' | '.join(cells)} |", flush=True)


def _measured(world: World, contestant: Callable[[World], Found]) -> tuple[float, float]:
    """Error by channel, and seconds."""
    found, seconds = contestant(world)
    truth = by_channel(world, world.truth.conversions)
    return float(np.abs(found - truth).sum() / truth.sum()), seconds


def by_channel(world: World, by_campaign: FloatArray) -> FloatArray:
    """Sums of a figure by campaign."""
    names = channel_names(world)
    place = [names.index(channel) for channel, _ in world.journeys.units]
    return np.bincount(place, by_campaign, minlength=len(names))


def channel_names(world: World) -> list[str]:
    """In the order of everything by channel."""
    return sorted({channel for channel, _ in world.journeys.units})


def ours(world: World) -> Found:
    """Features, fit and what touches add, as a run does it."""
    began = time.perf_counter()
    features = build_features(world.journeys)
    tree, _, _ = sample(features, load_priors(), Sampling())
    posterior = thinned(tree, features, seed=1)
    _, unit, added = incremental(features, posterior)
    total = np.bincount(unit, added.mean(axis=1), minlength=len(world.journeys.units))
    return by_channel(world, total), time.perf_counter() - began


def _scaled(world: World, total: FloatArray) -> FloatArray:
    truth = world.truth.conversions.sum()
    return by_channel(world, total * truth / total.sum())


def our_markov(order: int, world: World) -> Found:
    """The chain in closed form."""
    features = build_features(world.journeys)
    began = time.perf_counter()
    paths, converted = every_path(world.journeys, features.pairs, LOOKBACK_DAYS)
    total = markov_totals(paths, converted, len(world.journeys.units), order)[0]
    seconds = time.perf_counter() - began
    return _scaled(world, total), seconds


def their_markov(order: int, world: World) -> Found:
    """The same paths, by simulation."""
    features = build_features(world.journeys)
    paths, converted = every_path(world.journeys, features.pairs, LOOKBACK_DAYS)
    ends = np.cumsum(paths.counts)[:-1]
    units = np.split(paths.unit, ends)
    used = [place for place, path in enumerate(units) if len(path)]
    asked = {
        "paths": [units[place].tolist() for place in used],
        "converted": [int(converted[place]) for place in used],
        "order": order,
    }
    found = _asked("channel-attribution", CHANNEL_ATTRIBUTION, "markov_app.py", asked)
    total = np.zeros(len(world.journeys.units))
    for name, value in found["total"].items():
        total[int(name)] = value
    return _scaled(world, total), found["seconds"]


def mmm(world: World) -> Found:
    """Touches by channel and conversions, a week each."""
    journeys, names = world.journeys, channel_names(world)
    first = int(journeys.touches.time_us.min()) // US_PER_DAY
    weeks = (int(journeys.until_us) // US_PER_DAY - first) // 7  # whole ones

    def weekly(time_us: NDArray[np.int64]) -> list[float]:
        week = (time_us // US_PER_DAY - first) // 7
        return np.bincount(week[week < weeks], minlength=weeks).astype(float).tolist()

    place = np.array([names.index(channel) for channel, _ in journeys.units])
    of_touch = place[journeys.touches.unit]
    asked = {
        "weeks": [str(np.datetime64(first + 7 * week, "D")) for week in range(weeks)],
        "touches": {
            name: weekly(journeys.touches.time_us[of_touch == number])
            for number, name in enumerate(names)
        },
        "conversions": weekly(journeys.conversions.time_us),
        "draws": 800,
    }
    found = _asked("pymc-marketing", MARKETING, "mmm_app.py", asked)
    return np.array([found["total"][name] for name in names]), found["seconds"]


def _asked(name: str, packages: tuple[str, ...], app: str, asked: dict[str, Any]) -> Any:
    done = subprocess.run(
        [python_with(name, packages), APPS / app],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


CONTESTANTS: dict[str, Callable[[World], Found]] = {
    "bizops": ours,
    "our Markov, order 1": partial(our_markov, 1),
    "ChannelAttribution, order 1": partial(their_markov, 1),
    "PyMC-Marketing MMM": mmm,
}


if __name__ == "__main__":
    main()

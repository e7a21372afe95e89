"""How often the placebo flags a channel, in worlds where one shares a cause with purchases.

    python -m benchmarks.placebo                        # 10 seeds of each world
    python -m benchmarks.placebo --conversions 800 --seeds 20

In ``intent`` a hidden intent brings searches and purchases: ``paid_search`` should be flagged there
and no channel anywhere else. It says so of each world, with the largest ``z`` of both kinds.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np

from attribution.placebo import FLAGGED_Z, placebo
from benchmarks.worlds import WORLDS, make_world

CONFOUNDED = {"intent": "paid_search"}


def main() -> None:
    options = _options()
    # a world with a lift test is as without it: the placebo does not ask what tests found
    worlds = [name for name in WORLDS if name != "intent_tested"]
    jobs = list(product(worlds, range(1, options.seeds + 1), [options.conversions]))
    with ProcessPoolExecutor(options.jobs) as pool:
        found = list(pool.map(_look, *zip(*jobs, strict=True)))
    head = ("world", "seeds flagged", "least, largest z there", "others flagged", "of", "largest z")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in worlds:
        print(_row(name, [z for (world, *_), z in zip(jobs, found, strict=True) if world == name]))


def _look(name: str, seed: int, conversions: int) -> dict[str, float]:
    """``z`` by channel in one world."""
    journeys = make_world(name, seed, conversions, redraws=1).journeys
    channels = sorted({channel for channel, _ in journeys.units})
    of_unit = np.array([channels.index(channel) for channel, _ in journeys.units])
    z = placebo(journeys, of_unit[journeys.touches.unit]).z
    return dict(zip(channels, z.tolist(), strict=True))


def _row(name: str, seeds: Sequence[dict[str, float]]) -> str:
    should = CONFOUNDED.get(name, "")
    known = [z[should] for z in seeds] if should else []
    others = [value for z in seeds for channel, value in z.items() if channel != should]
    cells = [
        f"`{name}`",
        f"{sum(z >= FLAGGED_Z for z in known)} of {len(known)}" if known else "",
        f"{min(known):.1f}, {max(known):.1f}" if known else "",
        f"{sum(z >= FLAGGED_Z for z in others)}",
        f"{len(others)}",
        f"{max(others):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.placebo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=10, help="worlds of each kind")
    parser.add_argument("--conversions", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""How long attribution takes from PostgreSQL to published credit, by size, and its memory.

    python -m benchmarks.scale                      # a million touches, 5,000 conversions
    python -m benchmarks.scale --times 10           # ten times the accounts, as many conversions
    python -m benchmarks.scale --touched 34.5       # as many accounts, ten times as often touched
    python -m benchmarks.scale --conversions 100000 --campaigns 500 --touched 1

The world is the additive one of ``benchmarks.worlds`` with more campaigns. Its events take the
product's way: published to Kafka, stored by the stream, and read by ``bizops attribute``. Services
are local and of the run's own; what counts is the last step.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.steps import step
from benchmarks.worlds.events import world_events
from benchmarks.worlds.spec import WORLDS
from benchmarks.worlds.world import World, make_world

TOUCHED = 3.45
"""Makes a million touches of 5,000 conversions; the additive world has 58 for each."""


def main() -> None:
    options = _options()
    home = Path(tempfile.mkdtemp(prefix="bizops-scale-"))
    lines = home / "events.jsonl"
    size = (options.conversions, options.campaigns, options.times, options.touched)
    # in a process of its own: a child begins with the peak memory of whoever starts it
    make = multiprocessing.Process(target=write_events, args=(lines, *size))
    make.start()
    make.join()
    if make.exitcode:
        sys.exit("the world could not be made")
    try:
        step("start Kafka and PostgreSQL", "up", home=home)
        step("migrate", "migrate", home=home)
        step("publish", "produce", "jsonl", str(lines), home=home)
        step("stream, 2 workers", "stream", "--until-caught-up", "--workers", "2", home=home)
        step("rules alone", "attribute", "--rules-only", home=home)
        step("rules and model", "attribute", home=home, shown=True)
        step("marts", "transform", home=home)
    finally:
        if options.keep:
            print(f"kept in {home}; stop it with BIZOPS_HOME={home} bizops down --purge --yes")
        else:
            step("stop", "down", "--purge", "--yes", home=home)
            shutil.rmtree(home, ignore_errors=True)


def write_events(
    lines: Path, conversions: int, campaigns: int, times: float, touched: float
) -> None:
    """The world of that size as events, JSON lines."""
    world = scaled(conversions, campaigns, times, touched)
    with lines.open("wb") as file:
        file.writelines(event.to_json() + b"\n" for event in world_events(world))
    print(
        f"{len(world.journeys.touches):,} touches, {len(world.journeys.conversions):,} "
        f"conversions, {len(world.journeys.units)} campaigns, {os.cpu_count()} cores",
        flush=True,
    )


def scaled(conversions: int, campaigns: int, times: float, touched: float) -> World:
    """An additive world of about that size; its truth, which nobody asks for, is of one redraw."""
    additive = WORLDS["additive"]
    WORLDS["scale"] = replace(
        additive, campaigns=campaigns, touch_scale=touched, size_spread=0.8,
        conversion_rate=additive.conversion_rate / times,
    )  # fmt: skip
    return make_world("scale", 1, conversions, redraws=1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--conversions", type=int, default=5_000)
    parser.add_argument("--times", type=float, default=1, help="so many times the accounts")
    parser.add_argument(
        "--touched", type=float, default=TOUCHED, help="so many times the world's touches of each"
    )
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--keep", action="store_true", help="leave the services and data")
    return parser.parse_args()


if __name__ == "__main__":
    main()

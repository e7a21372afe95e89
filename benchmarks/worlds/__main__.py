"""Write a world as lines of JSON that ``bizops produce jsonl`` publishes, its truth beside it."""

import argparse
from pathlib import Path

import orjson

from benchmarks.worlds import WORLDS, make_world
from benchmarks.worlds.events import world_events


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worlds", description=__doc__)
    parser.add_argument("world", choices=sorted(WORLDS))
    parser.add_argument("events", type=Path, help="file for the events, JSON lines")
    parser.add_argument("truth", type=Path, help="file for the truth, JSON")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--conversions", type=int, default=3000)
    options = parser.parse_args()
    world = make_world(options.world, options.seed, options.conversions)
    with options.events.open("wb") as file:
        file.writelines(event.to_json() + b"\n" for event in world_events(world))
    truth = {
        "world": world.name,
        "seed": world.seed,
        "campaigns": [
            {"channel": channel, "campaign_id": campaign, "conversions": added, "iacv": worth}
            for (channel, campaign), added, worth in zip(
                world.journeys.units,
                world.truth.conversions.tolist(),
                world.truth.iacv.tolist(),
                strict=True,
            )
        ],
        "baseline": {"conversions": world.truth.baseline, "iacv": world.truth.baseline_iacv},
    }
    options.truth.write_bytes(orjson.dumps(truth, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()

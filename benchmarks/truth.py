"""How right and how honest the model is in worlds whose truth is known, beside the rules.

    python -m benchmarks.truth --worlds additive,intent --seeds 2 --conversions 800,3000

Each fit is told when it is done, the table comes at the end or when the run is stopped. Seconds are
CPU seconds, so that what else runs on the machine matters little.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import orjson

from benchmarks.worlds import WORLDS

LEVELS = ("by_channel", "by_campaign")
Result = dict[str, Any]

NOTES = """\
err: Σ|estimate − truth| / Σ truth, mean over fits, of what touches add in expectation (the model)
and of the rule with the lowest mean (scaled to the true total; the model is not). knew all: the
same of who counts what touches really set off, in the one history there was. bias: of the total.
total in 90: fits whose interval holds the total. in 90 / 50: share of the truths above zero that
their interval holds. z: mean and standard deviation of (mean − truth) / sd, which are 0 and 1 where
the model is right about what it does not know; of truths of a conversion or more. no effect:
share of all conversions credited to campaigns that do nothing, and of these campaigns those whose
90 % interval reaches zero. passed: fits whose draws pass the gates.
The second table: the credit for what happened, held against what touches really set off."""


def main() -> None:
    options = _options()
    if options.read is not None:
        print(_report(orjson.loads(options.read.read_bytes())))
        return
    signal.signal(signal.SIGTERM, _stop)
    seeds = range(options.first, options.first + options.seeds)
    jobs = [
        (world, seed, conversions)
        for conversions, seed, world in product(options.conversions, seeds, options.worlds)
    ]
    results: list[Result] = []
    try:
        for result in _run(jobs, options):
            results.append(result)
            print(_line(result, len(results), len(jobs)), flush=True)
            _write(options.output, results)
    finally:
        if results:
            print(f"\n{_report(results)}", flush=True)
    if any("error" in result for result in results):
        sys.exit(1)


def _report(results: Sequence[Result]) -> str:
    return f"{table(results)}\n\n{realised_table(results)}\n\n{NOTES}"


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.truth", description=__doc__.split("\n")[0]
    )

    def sizes(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser.add_argument(
        "--worlds", type=worlds_among(WORLDS), default=list(WORLDS), help="a,b; all unless told"
    )
    parser.add_argument("--seeds", type=int, default=2, help="worlds of each kind and size")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--conversions", type=sizes, default=[3000], help="sizes: 800,3000")
    parser.add_argument("--draws", type=int, default=500, help="of each chain")
    parser.add_argument("--tune", type=int, default=400)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--once", action="store_true", help="no second try where draws don't pass")
    parser.add_argument("--jobs", type=int, default=len(_processors()), help="fits side by side")
    parser.add_argument("--output", type=Path, help="file for every number, JSON")
    parser.add_argument("--read", type=Path, help="print the tables of such a file, fit nothing")
    return parser.parse_args()


def worlds_among(have: Collection[str]) -> Callable[[str], list[str]]:
    """A reader of names of worlds, ``a,b``, for argparse; it tells of a name that is not there."""

    def worlds(text: str) -> list[str]:
        named = text.split(",")
        for name in named:
            if name not in have:
                raise argparse.ArgumentTypeError(
                    f"no world '{name}'; have {', '.join(sorted(have))}"
                )
        return named

    return worlds


def _processors() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _run(jobs: list[tuple[str, int, int]], options: argparse.Namespace) -> Iterator[Result]:
    """Results as they come, from processes with one processor each."""
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    context = multiprocessing.get_context("spawn")
    places = context.SimpleQueue()
    for number in range(options.jobs):
        places.put(_processors()[number % len(_processors())])
    pool = ProcessPoolExecutor(options.jobs, context, _begin, (places,))
    settings = {name: getattr(options, name) for name in ("draws", "tune", "chains")}
    try:
        futures = [pool.submit(_job, *job, settings, options.once) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def _begin(places: Any) -> None:
    """Keep this process, and the sampler's threads in it, to one processor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops the others
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {places.get()})


def _job(world: str, seed: int, conversions: int, settings: dict[str, int], once: bool) -> Result:
    from attribution import sampling
    from benchmarks.scores import fitted

    if once:
        sampling.TARGETS = ()  # type: ignore[assignment]  # the product tries once more for each
    return fitted(world, seed, conversions, sampling.Sampling(seed=seed, **settings))


def _write(path: Path | None, results: list[Result]) -> None:
    if path is not None:
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(orjson.dumps(results))
        part.replace(path)


def _line(result: Result, done: int, of: int) -> str:
    head = f"[{done}/{of} {time.strftime('%H:%M:%S')}] {result['world']} seed {result['seed']}"
    if "error" in result:
        return f"{head}: FAILED\n{result['error']}"
    added, true = result["total"]["added"][0], sum(result["by_channel"]["truth"])
    parts = [f"{added:,.0f} of {result['conversions']:,} conversions added, truth {true:,.0f}"]
    for level in LEVELS if true > 0 else ():
        figures = result[level]
        rules = {who: error(figures, total) for who, total in figures["contestants"].items()}
        best = min(rules, key=rules.__getitem__)
        ours = error(figures, figures["added"], scaled=False)
        parts.append(f"error {level.replace('_', ' ')} {ours:.2f} ({best} {rules[best]:.2f})")
    gates, seconds = result["gates"], result["seconds"]
    parts.append(f"R-hat {gates['r_hat_max']}, ESS {gates['ess_bulk_min']}")
    parts.append(f"{gates['divergences']} divergences, {gates['attempts']} tries")
    return f"{head}: {'; '.join(parts)}; {seconds['sample']:.0f} s"


def error(figures: Result, estimate: Sequence[float], *, scaled: bool = True) -> float:
    """``Σ|estimate − truth| / Σ truth``, the estimate scaled to the true total first if told."""
    truth, found = np.array(figures["truth"]), np.array(estimate)
    if scaled and found.sum() > 0:
        found = found * truth.sum() / found.sum()
    return float(np.abs(found - truth).sum() / truth.sum())


def table(results: Sequence[Result]) -> str:
    """Everything by world and size, as Markdown."""
    head = (
        "world", "size", "fits", "passed", "CPU s", "bias", "total in 90",
        "err channel", "best rule", "ratio", "knew all", "err campaign", "best rule", "ratio",
        "knew all", "in 90 / 50 channel", "in 90 / 50 campaign", "z channel / campaign",
        "no effect",
    )  # fmt: skip
    rows = []
    for (world, size), fits in _by_world(results):
        good = [fit for fit in fits if "error" not in fit]
        if not good:
            rows.append([world, f"{size}", f"0 of {len(fits)}", *[""] * (len(head) - 3)])
            continue
        passed = sum(not fit["failed"] for fit in good)
        seconds = np.mean([fit["seconds"]["sample"] for fit in good])
        counted = np.mean([fit["conversions"] for fit in good])
        effective = sum(sum(fit["by_channel"]["truth"]) for fit in good) > 0
        rows.append(
            [world, f"{counted:.0f}", f"{len(good)} of {len(fits)}", f"{passed}", f"{seconds:.0f}",
             *(_accuracy(good) if effective else [""] * 10),
             *(_honesty(good, "added", "truth") if effective else [""] * 3), _nothing(good)]
        )  # fmt: skip
    return _markdown(head, rows)


def realised_table(results: Sequence[Result]) -> str:
    """The same of the credit for what happened, against what touches really set off."""
    head = ("world", "size", "bias", "err channel", "err campaign", "in 90 / 50 channel",
            "in 90 / 50 campaign", "z channel / campaign")  # fmt: skip
    rows = []
    for (world, size), fits in _by_world(results):
        good = [fit for fit in fits if "error" not in fit and sum(fit["by_channel"]["realised"])]
        if not good:
            continue
        errors = [
            np.mean([error({"truth": fit[level]["realised"]}, fit[level]["credit"], scaled=False)
                     for fit in good])
            for level in LEVELS
        ]  # fmt: skip
        bias = np.mean(
            [sum(fit["by_channel"]["credit"]) / sum(fit["by_channel"]["realised"]) for fit in good]
        )
        rows.append([world, f"{size}", f"{bias - 1:+.0%}", *(f"{value:.2f}" for value in errors),
                     *_honesty(good, "credit", "realised")])  # fmt: skip
    return _markdown(head, rows)


def _by_world(results: Sequence[Result]) -> Iterator[tuple[tuple[str, int], list[Result]]]:
    names = list(WORLDS)
    keys = {(result["world"], result["target"]) for result in results}
    for key in sorted(keys, key=lambda key: (key[1], names.index(key[0]))):
        yield key, [fit for fit in results if (fit["world"], fit["target"]) == key]


def _accuracy(fits: list[Result]) -> list[str]:
    """Bias and coverage of the total, then by level our error, the best rule's and their ratio."""
    totals = [(sum(fit["by_channel"]["added"]), sum(fit["by_channel"]["truth"])) for fit in fits]
    held = [
        fit["total"]["added_low_90"][0] <= true <= fit["total"]["added_high_90"][0]
        for fit, (_, true) in zip(fits, totals, strict=True)
    ]
    cells = [f"{np.mean([ours / true for ours, true in totals]) - 1:+.0%}", f"{sum(held)}"]
    for level in LEVELS:
        ours = np.mean([error(fit[level], fit[level]["added"], scaled=False) for fit in fits])
        rules = {
            who: np.mean([error(fit[level], fit[level]["contestants"][who]) for fit in fits])
            for who in fits[0][level]["contestants"]
        }
        best = min(rules, key=rules.__getitem__)
        knew = np.mean([error(fit[level], fit[level]["realised"], scaled=False) for fit in fits])
        cells += [f"{ours:.2f}", f"{rules[best]:.2f} {best}", f"{ours / rules[best]:.2f}"]
        cells.append(f"{knew:.2f}")
    return cells


def _honesty(fits: list[Result], name: str, truth: str) -> list[str]:
    """Coverage by channel and by campaign, and z, over truths above zero."""
    cells, spreads = [], []
    for level in LEVELS:
        true, mean, sd = (_pooled(fits, level, key) for key in (truth, name, f"{name}_sd"))
        real = true > 0
        held = []
        for ends in ("90", "50"):
            low, high = (_pooled(fits, level, f"{name}_{end}_{ends}") for end in ("low", "high"))
            held.append(np.mean(((low <= true) & (true <= high))[real]))
        cells.append(" / ".join(f"{share:.2f}" for share in held))
        counted = true >= 1.0  # a campaign that can add next to nothing has no z worth the name
        z = (mean - true)[counted] / np.maximum(sd[counted], 1e-3)
        spreads.append(f"{z.mean():+.1f} ± {z.std():.1f}")
    return [*cells, " / ".join(spreads)]


def _nothing(fits: list[Result]) -> str:
    """What campaigns get that do nothing, and how many of their intervals reach zero."""
    idle = _pooled(fits, "by_campaign", "truth") == 0
    if not idle.any():
        return ""
    given = _pooled(fits, "by_campaign", "added")[idle].sum()
    reach = np.mean(_pooled(fits, "by_campaign", "added_low_90")[idle] == 0)
    return f"{given / sum(fit['conversions'] for fit in fits):.1%}, {reach:.0%} reach 0"


def _pooled(fits: list[Result], level: str, key: str) -> Any:
    return np.concatenate([np.array(fit[level][key], dtype=float) for fit in fits])


def _markdown(head: Sequence[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()

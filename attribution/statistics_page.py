"""A run for a statistician: how it sampled, what the priors did, whether it foresees what came."""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.charts import energies, intervals, overlaid, ranks, trace
from attribution.evidence_page import evidence_tables
from attribution.html import page, table
from attribution.runs import Run

__all__ = ["statistics_page"]

FloatArray = NDArray[np.float64]

SHOWN = 16
LOW_BFMI = 0.3
CENTRED = {"log_baseline": 0, "log_channel_effect": 1}
"""Parameters whose prior is relative to a centre of the data, and which."""
KINDS = {
    "state": "by segment and state",
    "activity": "by how many touches accounts have for their segment",
    "channel": "after an account's first touch of a channel, and without one so far",
    "no touch": "before any touch",
    "month": "by month",
}


def statistics_page(run: Run, campaigns: tuple[str, ...]) -> str:
    """The page's text.

    Parameters
    ----------
    campaigns
        Names of the campaigns, in the order of the draws; empty where they are not known.
    """
    found = run.diagnostics or {}
    sections = [
        _about(run),
        table("Diagnostics", ("", ""), [(k, _short(v)) for k, v in found.items() if k not in LONG]),
        *_draws(run, found, campaigns),
        *_predictions(found),
        *evidence_tables(found),
        table("Timings", ("", ""), sorted((run.timings or {}).items())),
    ]
    return page(f"Run {run.run_id}: statistics", sections)


LONG = (
    "checks", "held_out", "activity_levels", "centres", "placebo", "lift_tests", "lift_moved",
)  # fmt: skip


def _about(run: Run) -> str:
    rows = [
        ("status", run.status),
        ("error", run.error or ""),
        ("started", f"{run.started_at}"),
        ("published", f"{run.published_at or ''}"),
        ("data until", f"{run.data_until or ''}"),
    ]
    rows += [(f"data {name}", _short(value)) for name, value in (run.data or {}).items()]
    rows += [(name, _short(value)) for name, value in run.settings.items() if name != "priors"]
    return table("What it is", ("", ""), [row for row in rows if row[1] != ""])


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _draws(run: Run, found: dict[str, Any], campaigns: tuple[str, ...]) -> Iterator[str]:
    if not found.get("chains"):
        yield "<h2>Draws</h2><p>This run needed no fit, so there are none.</p>"
        return
    if run.artifact is None or not Path(run.artifact).is_dir():
        yield (
            f"<h2>Draws</h2><p>The draws are not on this machine ({escape(str(run.artifact))}): "
            "traces, ranks, energy and priors are left out.</p>"
        )
        return
    import xarray

    tree = xarray.open_datatree(run.artifact, engine="zarr", consolidated=False)
    values = dict(_parameters(tree, campaigns))
    yield from _summary(tree, campaigns)
    chosen = _chosen(values, found, campaigns)
    yield (
        "<h2>Traces and ranks</h2><p>Scalars, channels and the worst parameters. Ranks of each "
        "chain among all draws are even, but for noise, where chains agree.</p>"
    )
    yield "".join(trace(values[name], name) + ranks(values[name], name) for name in chosen)
    yield from _energy(tree)
    yield "<h2>Prior and posterior</h2>" + "".join(_priors(run, values, found))


def _parameters(tree: Any, campaigns: tuple[str, ...]) -> Iterator[tuple[str, FloatArray]]:
    """Draws of each single parameter by its name, shape ``(chain, draw)``."""
    for name, array in tree["posterior"].data_vars.items():
        for place in range(array.shape[2]):
            label = str(array[array.dims[2]].values[place])
            yield (
                _named(str(name), label, array.shape[2], campaigns),
                np.asarray(array.values[:, :, place], dtype=np.float64),
            )


def _named(name: str, label: str, size: int, campaigns: tuple[str, ...]) -> str:
    if name == "log_effect" and campaigns:
        return f"log_effect[{campaigns[int(label)]}]"
    return name if size == 1 and label == "0" else f"{name}[{label}]"


def _summary(tree: Any, campaigns: tuple[str, ...]) -> Iterator[str]:
    import arviz

    measures = [arviz.rhat(tree), arviz.ess(tree, method="bulk"), arviz.ess(tree, method="tail")]
    columns = [
        {name: float(value[0, 0]) for name, value in _parameters_of(measure, campaigns)}
        for measure in measures
    ]
    rows = []
    for name, draws in _parameters(tree, campaigns):
        low, median, high = np.quantile(draws, (0.05, 0.5, 0.95))
        numbers = (draws.mean(), draws.std(), low, median, high, *(of[name] for of in columns))
        rows.append((name, *(f"{number:.4g}" for number in numbers)))
    heads = ("parameter", "mean", "sd", "5 %", "median", "95 %", "R-hat", "bulk ESS", "tail ESS")
    yield table("Parameters", heads, rows)


def _parameters_of(measure: Any, campaigns: tuple[str, ...]) -> Iterator[tuple[str, FloatArray]]:
    measure = measure["posterior"] if "posterior" in getattr(measure, "children", {}) else measure
    for name, array in measure.data_vars.items():
        for place in range(array.shape[0]):
            label = str(array[array.dims[0]].values[place])
            yield (
                _named(str(name), label, array.shape[0], campaigns),
                np.asarray(array.values[place], dtype=np.float64).reshape(1, 1),
            )


def _chosen(
    values: dict[str, FloatArray], found: dict[str, Any], campaigns: tuple[str, ...]
) -> list[str]:
    worst = {
        parameter.removesuffix("[0]") if parameter not in values else parameter
        for parameter in found.get("worst", {}).values()
    }
    first = [name for name in values if name in worst]
    scalars = [name for name in values if "[" not in name]
    channels = [name for name in values if name.startswith("log_channel_effect")]
    return list(dict.fromkeys([*first, *scalars, *channels]))[:SHOWN]


def _energy(tree: Any) -> Iterator[str]:
    energy = np.asarray(tree["sample_stats"]["energy"].values, dtype=np.float64)
    bfmi = np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1)
    low = f" Below {LOW_BFMI} tails are explored too slowly." if bfmi.min() < LOW_BFMI else ""
    yield "<h2>Energy</h2>" + energies(energy, "marginal energy, and its change by a draw")
    said = ", ".join(f"{value:.2f}" for value in bfmi)
    yield f"<p>E-BFMI of each chain: {said}.{low}</p>"


def _priors(run: Run, values: dict[str, FloatArray], found: dict[str, Any]) -> Iterator[str]:
    random = np.random.default_rng(1)
    centres = found.get("centres", ())
    for name, draws in values.items():
        kind = name.partition("[")[0]
        prior = run.settings.get("priors", {}).get(kind)
        if prior is None or (kind in CENTRED and not centres):
            continue
        mean = prior[0] + (centres[CENTRED[kind]] if kind in CENTRED else 0.0)
        drawn = random.normal(mean, prior[1], 4_000)
        yield overlaid({"prior": drawn, "posterior": draws.ravel()}, name)


def _predictions(found: dict[str, Any]) -> Iterator[str]:
    checks = found.get("checks")
    if not checks:
        yield (
            "<h2>Posterior predictive checks</h2><p>Not made: `bizops retrain` makes them, "
            "`bizops attribute` does not.</p>"
        )
        return
    yield (
        "<h2>Posterior predictive checks</h2><p>Conversions that came (red) beside those that the "
        "fitted model would make in the same time at risk (90 % interval, mean).</p>"
    )
    for kind, said in KINDS.items():
        rows = [
            (check["name"], check["mean"], check["low"], check["high"], float(check["observed"]))
            for check in checks
            if check["kind"] == kind
        ]
        yield intervals(rows, said, "conversions")
    cells = [
        (f"{check['kind']}: {check['name']}", f"{check['observed']:,}", f"{check['mean']:.1f}",
         f"{check['p']:.3f}", f"{check['z']:.1f}", "failed" if check["failed"] else "")
        for check in checks
    ]  # fmt: skip
    yield table("", ("part", "came", "expected", "p", "z", ""), cells)
    yield _calibration(np.array([check["p"] for check in checks]))
    yield _held_out(found.get("held_out", {}))


def _calibration(p: FloatArray) -> str:
    rows = [
        (f"{level:.0%}", f"{np.mean(np.abs(p - 0.5) <= level / 2):.0%}", f"{len(p)}")
        for level in (0.5, 0.8, 0.9)
    ]
    head = ("predictive interval", "hold what came", "parts")
    note = (
        "<p>Parts overlap and were fitted to, so more than the nominal share is no surprise; fewer "
        "is. How often intervals of credit hold the truth can't be seen in data whose truth "
        "nobody knows: docs/model.md has that for simulated companies.</p>"
    )
    return table("Calibration", head, rows) + note


def _held_out(found: dict[str, Any]) -> str:
    if "difference" not in found:
        why = escape(str(found.get("not_compared", "not made")))
        return f"<h2>Held-out log score</h2><p>Not compared: {why}.</p>"
    return (
        "<h2>Held-out log score</h2><p>Each of {accounts:,} accounts held out in turn (PSIS-LOO): "
        "{difference:+.1f} nats beside run {published}, standard error {standard_error:.1f}; above "
        "zero is better. Weights of {unreliable:,} accounts are unreliable.</p>"
    ).format(**found)

"""Drawing from the model with nutpie, and the diagnostics that decide whether draws may be used."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.features import Features
from attribution.model import DIMS, Priors, centres, coordinates, variables

__all__ = ["Gates", "Progress", "Sampling", "Say", "sample"]

MAX_R_HAT, MIN_ESS = 1.01, 400
MANY = 50_000
"""Of more conversions a draw tells less beyond the one before it: twice as many pass at once."""
TARGETS = (0.9, 0.97)
"""Acceptance aimed at where a first try diverges: smaller steps, and twice as many each time."""
FloatArray = NDArray[np.float64]
Say = Callable[[str], None]
Progress = Callable[[int, int, int], None]
"""Is told how many draws are done, of how many, and how many of them diverged."""


@dataclass(frozen=True)
class Sampling:
    """How to sample; the same settings and data give the same draws."""

    seed: int = 1
    draws: int = 1000
    tune: int = 300
    chains: int = 4
    target_accept: float = 0.75
    max_depth: int = 3
    """2^depth − 1 steps at most: in a frame a quarter turn is as long in all directions."""


@dataclass(frozen=True)
class Gates:
    """What a run's draws are held to before they are published.

    Attributes
    ----------
    summary
        ``r_hat_max``, ``ess_bulk_min``, ``ess_tail_min``, ``divergences``, how many draws in how
        many chains, and which parameter is worst in each, as JSON.
    failed
        What is wrong, each as a phrase; empty if the draws are good.
    """

    summary: dict[str, Any]
    failed: tuple[str, ...]


def sample(
    features: Features,
    priors: Priors,
    settings: Sampling,
    say: Say = lambda line: None,
    progress: Progress | None = None,
) -> tuple[Any, Gates, dict[str, float]]:
    """Draw from the posterior; up to twice more, longer or with smaller steps, if draws are bad.

    Returns
    -------
    The draws as an ``xarray.DataTree`` in ArviZ's layout, how they passed, and seconds by step.
    """
    began = time.perf_counter()
    say("preparing the sampler")
    compiled = _compiled(features, priors)
    if len(features.state) > MANY:
        settings = replace(settings, draws=2 * settings.draws)
    timings = {"compile_s": time.perf_counter() - began, "sample_s": 0.0}
    for attempt in range(len(TARGETS) + 1):
        began = time.perf_counter()
        tree = _draw(compiled, settings, progress or _lines(say))
        timings["sample_s"] += time.perf_counter() - began
        gates = check(tree)
        gates.summary["attempts"] = attempt + 1
        if not gates.failed or attempt == len(TARGETS):
            break
        settings = _harder(settings, gates, attempt)
        say(f"once more, more carefully: {', '.join(gates.failed)}")
    return tree, gates, timings


def _harder(settings: Sampling, gates: Gates, attempt: int) -> Sampling:
    if gates.summary["divergences"]:
        deeper = settings.max_depth + 1
        return replace(settings, target_accept=TARGETS[attempt], max_depth=deeper)
    return replace(settings, draws=2 * settings.draws, tune=settings.tune + settings.tune // 2)


def check(tree: Any) -> Gates:
    """Hold draws to R-hat <= 1.01, bulk and tail ESS >= 400 and no divergences."""
    import arviz

    summary: dict[str, Any] = {}
    worst: dict[str, str] = {}
    r_hat, worst["r_hat"] = _extreme(arviz.rhat(tree), np.argmax)
    bulk, worst["ess_bulk"] = _extreme(arviz.ess(tree, method="bulk"), np.argmin)
    tail, worst["ess_tail"] = _extreme(arviz.ess(tree, method="tail"), np.argmin)
    divergences = int(tree["sample_stats"]["diverging"].sum())
    sizes = tree["posterior"].sizes
    summary |= {"r_hat_max": round(r_hat, 4), "ess_bulk_min": round(bulk)}
    summary |= {"ess_tail_min": round(tail), "divergences": divergences}
    summary |= {"draws": int(sizes["draw"]), "chains": int(sizes["chain"]), "worst": worst}
    failed = []
    if not r_hat <= MAX_R_HAT:
        failed.append(f"R-hat {r_hat:.3f} of {worst['r_hat']} (at most {MAX_R_HAT})")
    for name, value in (("bulk", bulk), ("tail", tail)):
        if not value >= MIN_ESS:
            where = worst[f"ess_{name}"]
            failed.append(f"{name} ESS {value:.0f} of {where} (at least {MIN_ESS})")
    if divergences:
        failed.append(f"{divergences} divergences (none)")
    return Gates(summary, tuple(failed))


def _extreme(values: Any, choose: Callable[[NDArray[Any]], Any]) -> tuple[float, str]:
    """The worst value over all variables and the parameter that has it."""
    values = values["posterior"] if "posterior" in getattr(values, "children", {}) else values
    found = []
    for name, array in values.data_vars.items():
        flat = np.asarray(array.values, dtype=np.float64).ravel()
        at = int(choose(flat))  # what is no number, of a chain that stood still, is worst of all
        place = np.unravel_index(at, array.shape) if array.shape else ()
        labels = [str(array[dim].values[i]) for dim, i in zip(array.dims, place, strict=True)]
        found.append((float(flat[at]), f"{name}[{', '.join(labels)}]" if labels else str(name)))
    return found[int(choose(np.array([value for value, _ in found])))]


def _compiled(features: Features, priors: Priors) -> Any:
    """The density for nutpie, with the parameters' names and shapes and where to start."""
    from nutpie.compiled_pyfunc import from_pyfunc

    from attribution.inputs import build_inputs
    from attribution.places import find_frame, framed_density, from_frame

    inputs = build_inputs(features, priors)
    sizes = variables(features)
    bounds = np.cumsum([0, *sizes.values()])
    # nutpie takes no scalars from Python: what PyMC has as one is a vector of length one here
    dims = {name: (DIMS.get(name, "one"),) for name in sizes}
    frame = find_frame(inputs, centres(features)[1])

    def make_density() -> Callable[[FloatArray], tuple[float, FloatArray]]:
        def density(x: FloatArray) -> tuple[float, FloatArray]:
            gradient = np.empty_like(x)
            return framed_density(x, inputs, frame, gradient), gradient

        return density

    def make_expand(*seeds: int) -> Callable[[FloatArray], dict[str, Any]]:
        def expand(x: FloatArray) -> dict[str, Any]:
            x = from_frame(x, inputs, frame)
            return {name: x[bounds[i] : bounds[i + 1]] for i, name in enumerate(sizes)}

        return expand

    def starts(seed: int) -> FloatArray:
        rng = np.random.default_rng(seed)
        return np.asarray(rng.normal(size=len(frame.centre)))

    return from_pyfunc(
        ndim=len(frame.centre),
        make_logp_fn=make_density,
        make_expand_fn=make_expand,
        expanded_dtypes=[np.dtype(np.float64)] * len(sizes),
        expanded_shapes=[(size,) for size in sizes.values()],
        expanded_names=list(sizes),
        coords=coordinates(features) | {"one": np.zeros(1, dtype=np.int64)},
        dims=dims,
        make_initial_point_fn=starts,
    )


def _lines(say: Say) -> Progress:
    """A line for each tenth of the draws."""
    told = 0

    def progress(done: int, total: int, diverged: int) -> None:
        nonlocal told
        tenths = 10 * done // max(total, 1)
        if tenths > told:
            told = tenths
            note = f", {diverged:,} diverged" if diverged else ""
            say(f"sampling: {10 * tenths} % of {total:,} draws{note}")

    return progress


def _draw(compiled: Any, settings: Sampling, progress: Progress) -> Any:
    import nutpie

    def look(chains: list[Any]) -> None:
        progress(
            sum(chain.finished_draws for chain in chains),
            sum(chain.total_draws for chain in chains),
            sum(chain.divergences for chain in chains),
        )

    return nutpie.sample(
        compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=min(settings.chains, os.cpu_count() or 1),
        seed=settings.seed,
        target_accept=settings.target_accept,
        maxdepth=settings.max_depth,
        save_warmup=False,
        progress_bar=False,
        progress_callback=look,
        progress_rate=500,
    )

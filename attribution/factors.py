"""The compiled parts: what the rate is a product of, back to the gradient, and what touches add."""

import hashlib
import math
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from attribution.inputs import PEAK, RISE, SATURATION, SEASON, SYNERGY, WIDTH, Inputs
from attribution.kernels import LEAST_WIDTH

__all__ = [
    "add_draws", "digamma", "jit", "kept_in", "kernel_weights", "multipliers", "seasons", "to_bump",
    "to_contexts",
]  # fmt: skip

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FLAGS: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}


def jit[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function once, and keep it on disk where there is a place for it.

    numba takes what it kept as long as the function's own file has not changed, and compiles into
    it what it calls in others. So what is kept is kept by all of our sources.
    """
    compiled: Any
    asked: Any = numba.config
    before = asked.CACHE_DIR
    try:
        asked.CACHE_DIR = str(kept_in(Path(__file__).parent, before))
        compiled = numba.njit(**FLAGS, cache=True)(function)
    except (OSError, RuntimeError):  # nowhere to write to
        compiled = numba.njit(**FLAGS)(function)
    finally:
        asked.CACHE_DIR = before
    result: Callable[P, R] = compiled
    return result


@cache
def kept_in(sources: Path, wanted: str = "") -> Path:
    """A folder for what this version of the sources compiles to.

    Parameters
    ----------
    sources
        Their folder.
    wanted
        Where to make it, if told; else by the sources, or in the home if that can't be written to.

    Raises
    ------
    OSError
        If there is no such place.
    """
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(sources.glob("*.py")):
        digest.update(source.read_bytes())
    ours = (sources / "__pycache__", Path.home() / ".cache" / "bizops")
    for place in (Path(wanted),) if wanted else ours:
        folder = place / f"numba-{digest.hexdigest()}"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise OSError("no place for what was compiled")


@jit
def seasons(x: FloatArray, d: Inputs) -> FloatArray:
    """What the baseline is multiplied by on each day."""
    log = np.zeros(d.calendar.shape[0])
    for j in range(d.calendar.shape[1]):
        log += d.calendar[:, j] * x[d.at[SEASON] + j]
    return np.exp(log)


@jit
def multipliers(x: FloatArray, d: Inputs) -> FloatArray:
    """What a touch's effect is multiplied by in each context."""
    log = np.zeros(len(d.log_repeats))
    for g in range(len(log)):
        if d.at[SATURATION] >= 0 and d.log_repeats[g] != 0.0:
            power = math.exp(x[d.at[SATURATION] + d.context_channel[g]])
            log[g] -= power * d.log_repeats[g]
        for s in range(d.sequences):
            log[g] += d.follows[g, s] * x[d.at[SYNERGY] + s]
    return np.exp(log)


@jit
def to_contexts(
    x: FloatArray, d: Inputs, gradient: FloatArray, d_log_multiplier: FloatArray
) -> None:
    """From the gradient by the log of each context's multiplier to what it is made of."""
    for g in range(len(d_log_multiplier)):
        slope = d_log_multiplier[g]
        if d.at[SATURATION] >= 0 and d.log_repeats[g] != 0.0:
            i = d.at[SATURATION] + d.context_channel[g]
            gradient[i] -= math.exp(x[i]) * d.log_repeats[g] * slope
        for s in range(d.sequences):
            gradient[d.at[SYNERGY] + s] += d.follows[g, s] * slope


@jit
def kernel_weights(x: FloatArray, d: Inputs) -> FloatArray:
    """Of each channel and kernel: one bump over the half-lives, a share of which rises first."""
    count = len(d.log_half_lives)
    weights = np.empty((d.channels, 2 * count))
    for c in range(d.channels):
        width = math.hypot(LEAST_WIDTH, math.exp(x[d.at[WIDTH] + c]))
        step = (d.log_half_lives - x[d.at[PEAK] + c]) / width
        weight = np.exp(-0.5 * (step**2 - np.min(step**2)))
        weight /= np.sum(weight)
        rise = 1.0 / (1.0 + math.exp(-x[d.at[RISE] + c]))
        weights[c, :count] = weight * (1.0 - rise)
        weights[c, count:] = weight * rise
    return weights


@jit
def to_bump(
    x: FloatArray, d: Inputs, gradient: FloatArray, weights: FloatArray, d_weights: FloatArray
) -> None:
    """From the weights' gradient to that of each bump's peak and width, and of what rises."""
    count = len(d.log_half_lives)
    for c in range(d.channels):
        beyond = math.exp(x[d.at[WIDTH] + c])
        width = math.hypot(LEAST_WIDTH, beyond)
        mean = np.sum(weights[c] * d_weights[c])
        rise = 1.0 / (1.0 + math.exp(-x[d.at[RISE] + c]))
        later = np.sum(weights[c, count:] * d_weights[c, count:])
        gradient[d.at[RISE] + c] += later - rise * mean
        for b in range(count):
            d_logit = weights[c, b] * (d_weights[c, b] - mean)
            d_logit += weights[c, count + b] * (d_weights[c, count + b] - mean)
            step = (d.log_half_lives[b] - x[d.at[PEAK] + c]) / width
            gradient[d.at[PEAK] + c] += d_logit * step / width
            gradient[d.at[WIDTH] + c] += d_logit * (step * beyond / width) ** 2


@jit
def add_draws(
    draws: NDArray[np.float32],
    group: IntArray,
    sums: NDArray[np.floating],
    channel: IntArray,
    unit: IntArray,
    context: IntArray,
    state: IntArray,
    activity: IntArray,
    weights: FloatArray,
    effect: FloatArray,
    multiplier: FloatArray,
    by_state: FloatArray,
    by_activity: FloatArray,
) -> None:
    """Add what like touches add in expectation, ``β m Σ_b w_b ∫κ_b``, to their groups' draws.

    Parameters
    ----------
    draws
        Conversions, shape ``(group, draw)``; they are added to.
    group, channel, unit, context, state, activity
        Of each row, shape ``(row,)``.
    sums
        Integrals of the kernels over the risk that follows, shape ``(row, kernel)``.
    weights
        Shape ``(channel, kernel, draw)``.
    effect, multiplier, by_state, by_activity
        By unit, context, state and bin of activity, the last axis the draw.
    """
    count = draws.shape[1]
    mixed = np.empty(count)
    for r in range(len(group)):
        mixed[:] = 0.0
        c, u, g, s, a = channel[r], unit[r], context[r], state[r], activity[r]
        for b in range(sums.shape[1]):
            part = sums[r, b]
            for d in range(count):
                mixed[d] += part * weights[c, b, d]
        for d in range(count):
            factor = effect[u, d] * multiplier[g, d] * by_state[s, d] * by_activity[a, d]
            draws[group[r], d] += mixed[d] * factor


@jit
def digamma(x: float) -> float:
    """Derivative of the log of the Gamma function, x > 0, to about 1e-12."""
    value = 0.0
    for _ in range(8):  # a loop that ends for what is no number, too
        if x < 8.0:
            value -= 1.0 / x
            x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))
    return value + math.log(x) - 0.5 / x - series

"""The draws that credit is computed from: thinned, and on the scale they act on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.features import Features
from attribution.kernels import HALF_LIVES_DAYS, bump_weights
from attribution.model import fitted_units

__all__ = ["CREDIT_DRAWS", "Posterior", "thinned"]

FloatArray = NDArray[np.float64]

CREDIT_DRAWS = 250


@dataclass(frozen=True)
class Posterior:
    """Draws of the parameters.

    Attributes
    ----------
    baseline
        Conversions a day that would come anyway, shape ``(draw, baseline)``.
    effect
        Conversions of a prospect that a touch adds, shape ``(draw, unit)``.
    weights
        Of each channel's kernel over the bank, shape ``(draw, channel, kernel)``.
    activity
        What each activity bin's rate is multiplied by, shape ``(draw, activity)``.
    state
        What an effect is multiplied by, 1 for prospects, shape ``(draw, 2)``.
    channel_effect, effect_shape
        Mean and shape of the Gamma that effects of a channel's campaigns are from, shapes
        ``(draw, channel)`` and ``(draw,)``.
    """

    baseline: FloatArray
    effect: FloatArray
    weights: FloatArray
    activity: FloatArray
    state: FloatArray
    channel_effect: FloatArray
    effect_shape: FloatArray

    def __len__(self) -> int:
        return len(self.effect)


def thinned(tree: Any, features: Features, *, seed: int, draws: int = CREDIT_DRAWS) -> Posterior:
    """Every so-manieth draw, and the campaigns that the fit integrated out drawn given the rest."""
    flat = {
        name: np.asarray(array.values).reshape(-1, *array.shape[2:])
        for name, array in tree["posterior"].data_vars.items()
    }
    total = len(flat["log_effect_shape"])
    chosen = np.linspace(0, total - 1, min(draws, total)).round().astype(np.int64)
    flat = {name: values[chosen] for name, values in flat.items()}
    count = len(chosen)
    weights = bump_weights(flat["kernel_log_peak"], np.exp(flat["kernel_log_width"]))
    power = flat.get("activity_power", np.zeros((count, 1)))
    activity = np.exp(power * features.activity_levels)
    state = np.ones((count, 2))
    if "log_customer_effect" in flat:
        state[:, 1] = np.exp(flat["log_customer_effect"][:, 0])

    effect = np.empty((count, len(features.unit_channel)))
    fitted = fitted_units(features)
    effect[:, fitted] = np.exp(flat["log_effect"])
    unseen = np.setdiff1d(np.arange(effect.shape[1]), fitted)
    channel = features.unit_channel[unseen]
    shape = np.exp(flat["log_effect_shape"])
    risk = np.einsum(
        "da,ds,saub,dub->du", activity, state, features.exposures[:, :, unseen],
        weights[:, channel], optimize=True,
    )  # fmt: skip
    channel_effect = np.exp(flat["log_channel_effect"])
    rate = shape / channel_effect[:, channel] + risk
    effect[:, unseen] = np.random.default_rng(seed).gamma(shape, 1.0, risk.shape) / rate
    baseline = np.exp(flat["log_baseline"])
    return Posterior(baseline, effect, weights, activity, state, channel_effect, shape[:, 0])


def touch_intensity(posterior: Posterior | None, unit_channel: NDArray[np.int64]) -> FloatArray:
    """Posterior mean of effect x kernel weight, shape ``(unit, kernel)``.

    Without a posterior all campaigns count alike, with the prior's kernel.
    """
    if posterior is None:
        weights = bump_weights(np.array([np.log(10.0)]), np.array([0.5]))
        return np.tile(weights, (len(unit_channel), 1))
    total = np.zeros((len(unit_channel), len(HALF_LIVES_DAYS)))
    for effect, weights in zip(posterior.effect, posterior.weights, strict=True):
        total += effect[:, None] * weights[unit_channel]
    return total / len(posterior)

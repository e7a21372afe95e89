"""The draws that credit is computed from: thinned, and on the scale they act on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.contexts import Contexts
from attribution.features import Features
from attribution.kernels import KERNELS, bump_weights
from attribution.model import fitted_units

__all__ = ["CREDIT_DRAWS", "STRUCTURAL_DOUBT", "Posterior", "thinned"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CREDIT_DRAWS = 250
STRUCTURAL_DOUBT = 0.06
"""Standard deviation of the log of what a channel's effects may be off by, beyond the posterior.

The posterior is what the data say if the model is right. It isn't: delays have other shapes,
touches wear out otherwise. What that makes of a channel is a discrepancy (Kennedy and O'Hagan 2001,
JRSS B 63), whose size was found in simulated worlds that break the model; see ``docs/model.md``.
"""


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
    saturation
        Power by which later touches of a campaign add less, shape ``(draw, channel)``.
    synergy
        Log of what a touch adds more after another channel, shape ``(draw, first, channel)``; its
        first channels are those of ``first``, shape ``(first,)``.
    season
        What the log of the baseline moves by, shape ``(draw, basis)``.
    association
        Conversions that go with touches of a tested channel uncaused, for each that they cause,
        shape ``(draw, channel)``; zero for others.
    channel_effect, effect_shape
        Mean and shape of the Gamma that effects of a channel's campaigns are from, shapes
        ``(draw, channel)`` and ``(draw,)``.
    """

    baseline: FloatArray
    effect: FloatArray
    weights: FloatArray
    activity: FloatArray
    state: FloatArray
    saturation: FloatArray
    synergy: FloatArray
    first: IntArray
    season: FloatArray
    association: FloatArray
    channel_effect: FloatArray
    effect_shape: FloatArray

    def __len__(self) -> int:
        return len(self.effect)

    @property
    def associated(self) -> NDArray[np.bool_]:
        """Which channels have an association, shape ``(channel,)``."""
        return np.asarray(self.association.any(axis=0))

    def multiplier(self, contexts: Contexts) -> FloatArray:
        """What an effect is multiplied by in each context, shape ``(draw, context)``.

        The contexts are of the same first channels.
        """
        log = -self.saturation[:, contexts.channel] * contexts.log_repeats
        for place in range(len(self.first)):
            log += self.synergy[:, place, contexts.channel] * contexts.after[:, place]
        return np.asarray(np.exp(log))


def thinned(tree: Any, features: Features, *, seed: int, draws: int = CREDIT_DRAWS) -> Posterior:
    """Every so-manieth draw, and the campaigns that the fit integrated out drawn given the rest.

    Each channel's effects are multiplied by a draw of :data:`STRUCTURAL_DOUBT`, with a mean of one.
    """
    random = np.random.default_rng(seed)
    flat = _chosen(tree, draws)
    count = len(flat["log_effect_shape"])
    rise = 1.0 / (1.0 + np.exp(-flat["kernel_rise"]))
    weights = bump_weights(flat["kernel_log_peak"], np.exp(flat["kernel_log_width"]), rise)
    activity = np.ones((count, len(features.activity_levels)))
    if "activity_power" in flat:
        log_activity = flat["activity_power"] * features.activity_levels
        activity = np.exp(log_activity + flat["activity_curve"] * features.activity_levels**2)
    state = np.ones((count, 2))
    if "log_customer_effect" in flat:
        state[:, 1] = np.exp(flat["log_customer_effect"][:, 0])

    channels, contexts = len(features.channels), features.contexts
    saturation = np.zeros((count, channels))
    if "log_saturation" in flat:
        saturation = np.exp(flat["log_saturation"])
    synergy = np.zeros((count, len(contexts.first), channels))
    for number, (first, then) in enumerate(contexts.sequences()):
        synergy[:, np.searchsorted(contexts.first, first), then] = flat["synergy"][:, number]
    season = flat.get("season", np.zeros((count, features.calendar.shape[1])))
    # The fit has effects of a mean touch and a mean day; here they are those of a first touch
    # after nothing, and of a day on which nothing of the season is.
    repeats, after = contexts.means(channels)
    first_touch = np.exp(saturation * repeats - np.einsum("dfc,cf->dc", synergy, after))
    baseline = np.exp(flat["log_baseline"] - (season @ features.calendar.mean(axis=0))[:, None])
    doubt = np.exp(STRUCTURAL_DOUBT * random.normal(size=(count, channels)))
    doubt /= np.exp(0.5 * STRUCTURAL_DOUBT**2)
    first_touch *= doubt
    channel_effect = np.exp(flat["log_channel_effect"]) * first_touch
    fitted = fitted_units(features)
    shape = np.exp(flat["log_effect_shape"])
    association = np.zeros((count, channels))
    effect = np.zeros((count, len(features.unit_channel)))
    posterior = Posterior(
        baseline, effect, weights, activity, state, saturation, synergy,
        contexts.first, season, association, channel_effect, shape[:, 0],
    )  # fmt: skip
    effect[:, fitted] = np.exp(flat["log_effect"]) * first_touch[:, features.unit_channel[fitted]]
    unseen = np.setdiff1d(np.arange(effect.shape[1]), fitted)
    channel = features.unit_channel[unseen]
    risk = _unit_risk(features, posterior)[:, unseen]
    rate = shape / channel_effect[:, channel] + risk
    effect[:, unseen] = random.gamma(shape, 1.0, risk.shape) / rate
    if "logit_caused" in flat:
        _share(posterior, features, flat["logit_caused"], doubt)
    return posterior


def _share(posterior: Posterior, features: Features, logit: FloatArray, doubt: FloatArray) -> None:
    """Part what goes with tested channels' touches into what they cause and the rest, in place."""
    tested = features.lift.channels
    caused = np.ones_like(posterior.channel_effect)
    caused[:, tested] = 1.0 / (1.0 + np.exp(-logit))
    posterior.channel_effect[:] *= caused
    posterior.effect[:] *= caused[:, features.unit_channel]
    # the rest has no part in the doubt of effects, which it is relative to
    posterior.association[:, tested] = np.exp(-logit) / doubt[:, tested]


def _chosen(tree: Any, draws: int) -> dict[str, FloatArray]:
    """So many draws of all chains, evenly spaced, shape ``(draw, …)``."""
    flat = {
        name: np.asarray(array.values).reshape(-1, *array.shape[2:])
        for name, array in tree["posterior"].data_vars.items()
    }
    total = len(flat["log_effect_shape"])
    chosen = np.linspace(0, total - 1, min(draws, total)).round().astype(np.int64)
    return {name: values[chosen] for name, values in flat.items()}


def _unit_risk(features: Features, posterior: Posterior) -> FloatArray:
    """The integral of what campaigns' touches would add at an effect of one, ``(draw, unit)``."""
    multiplier = posterior.multiplier(features.contexts)
    channel = features.unit_channel[features.exposure_unit]
    risk = np.zeros((len(posterior), len(features.unit_channel)))
    for d in range(len(posterior)):
        scale = posterior.state[d][:, None] * posterior.activity[d][features.activity_nodes]
        total = np.einsum("sk,skrb->rb", scale, features.exposures, optimize=True)
        of_row = np.einsum("rb,rb->r", total, posterior.weights[d][channel])
        of_row *= multiplier[d][features.exposure_context]
        risk[d] = np.bincount(features.exposure_unit, of_row, minlength=risk.shape[1])
    return risk


def touch_intensity(posterior: Posterior | None, unit_channel: NDArray[np.int64]) -> FloatArray:
    """Posterior mean of effect x kernel weight, shape ``(unit, kernel)``.

    Without a posterior all campaigns count alike, with the prior's kernel.
    """
    if posterior is None:
        weights = bump_weights(np.array([np.log(10.0)]), np.array([0.5]), np.zeros(1))
        return np.tile(weights, (len(unit_channel), 1))
    total = np.zeros((len(unit_channel), KERNELS))
    for effect, weights in zip(posterior.effect, posterior.weights, strict=True):
        total += effect[:, None] * weights[unit_channel]
    return total / len(posterior)

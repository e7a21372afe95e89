"""The model of what makes accounts convert, in PyMC.

Story
-----
1. An account converts at a rate that is a sum of terms, so that each conversion has one cause:
   what would have come anyway, or one touch before it.

       λ_a(t) = g(z_a) [ μ(segment, state) f(t) + ρ(state) Σ_j β(campaign of j) m_j κ(t − t_j) ]

2. What comes anyway, ``μ``, differs by segment and by state: prospects make first deals, customers
   expand. States in which the data never has a conversion are not at risk. It moves with the time
   of the year, ``f``: hats over six weeks, quarter ends, weekends.
3. A touch of a campaign adds ``β`` conversions of a prospect in expectation, over all time, and
   ``ρ β`` of a customer. Never fewer than none.
4. Campaigns of a channel are alike: ``β ~ Gamma(shape, mean θ(channel))``. The shape is learned;
   below one it lets many campaigns be almost zero. A campaign that no conversion ever followed is
   integrated out of the likelihood and drawn afterwards. Channels are alike too: their ``θ`` are
   around one scale, which may be near zero.
5. What came before a touch matters, ``m_j``: the ``n``-th touch of a campaign on an account adds
   ``n^(−δ(channel))`` of what the first does, and one within a month after another channel
   ``e^η(that channel, its own)`` times as much. Most ``η`` are near zero; a few may be large.
6. The effect comes by the kernel ``κ(channel)``: a mixture over a fixed bank of exponential decays
   whose weights make one bump over the log of the half-life, a share of which rises first. It
   integrates to one.
7. Busier accounts may be better ones whatever the campaigns do: ``z_a`` is the log of an account's
   touches relative to its segment's mean, in some twenty bins, and ``log g = γ z + c z²`` what that
   is worth: little activity may tell little, and much of it much. Without it all of that would be
   credited to campaigns. Of what goes with the touches of a channel that a lift test was of, a
   share is caused; the rest is credited to what would have come anyway.
8. Accounts that did not convert count through the integral of λ over their time at risk, so that
   the likelihood is ``Π λ(t_i) · exp(−Σ_a ∫ λ_a)``.
9. A moment of which only the day is known is uniform over that day (``attribution/kernels.py``).

What it cannot know: whether touches and conversions share a cause besides ``z``. See
``docs/model.md`` for what was measured and what breaks it.
"""

import tomllib
from importlib import import_module
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.features import Features
from attribution.kernels import HALF_LIVES_DAYS, KERNELS, LEAST_WIDTH
from attribution.risk import CUSTOMER

__all__ = [
    "DIMS",
    "Priors",
    "build_model",
    "centres",
    "context_design",
    "coordinates",
    "fitted_units",
    "has_activity",
    "has_customers",
    "has_repeats",
    "load_priors",
    "season_design",
    "variables",
]

FloatArray = NDArray[np.float64]
Priors = dict[str, tuple[float, float]]

DIMS = {
    "log_baseline": "baseline",
    "log_channel_effect": "channel",
    "kernel_log_peak": "channel",
    "kernel_log_width": "channel",
    "kernel_rise": "channel",
    "log_effect": "fitted_unit",
    "season": "time_of_year",
    "log_saturation": "channel",
    "synergy": "sequence",
    "logit_caused": "tested_channel",
}
"""Dimension of each parameter that has one."""


def load_priors() -> Priors:
    """Mean and standard deviation by the names in ``priors.toml``."""
    text = files("attribution").joinpath("priors.toml").read_text()
    return {name: (mean, sd) for name, (mean, sd) in tomllib.loads(text).items()}


def has_customers(features: Features) -> bool:
    """Whether customers ever convert, so that their effects can be told from prospects'."""
    return bool((features.state == CUSTOMER).any())


def has_activity(features: Features) -> bool:
    """Whether accounts differ in activity, so that ``g`` has a meaning."""
    return len(features.activity_levels) > 1


def has_repeats(features: Features) -> bool:
    """Whether any account saw a campaign twice, so that the second can add less."""
    return bool(features.contexts.log_repeats.any())


def build_model(features: Features, priors: Priors) -> Any:
    """The PyMC model of what :func:`attribution.features.build_features` summed up.

    All arrays are data of the model and not constants in its graph: the same compiled code then
    serves every data set.

    Parameters
    ----------
    features
        With at least one conversion and one pair of a conversion and a touch before it.
    priors
        As of :func:`load_priors`.

    Returns
    -------
    ``pymc.Model`` with the variables of :func:`variables`.
    """
    pm, pt = _libraries()
    with pm.Model(coords=coordinates(features)) as model:
        data = {name: pm.Data(name, values) for name, values in _inputs(features).items()}
        theta = _parameters(pm, pt, data, features, priors)
        activity = pt.ones_like(data["levels"])
        if has_activity(features):
            bend = theta["activity_curve"] * data["levels"] ** 2
            log_activity = theta["activity_power"] * data["levels"] + bend
            activity = pt.exp(log_activity)
            pm.Potential("events_activity", pt.sum(log_activity[data["event_activity"]]))
        by_state = pt.ones(1)
        if has_customers(features):
            by_state = pt.exp(pt.stack([pt.zeros(()), theta["log_customer_effect"]]))
        season = pt.ones(data["calendar"].shape[0])
        if "season" in theta:
            season = pt.exp(pt.dot(data["calendar"], theta["season"]))
        multiplier = pt.exp(_log_multiplier(pt, data, theta))

        touched = pt.zeros_like(data["event_zeros"])[data["row_conversion"]].inc(
            pt.sum(data["kernels"] * theta["weights"][data["row_channel"]], axis=1)
            * multiplier[data["row_context"]]
            * pt.exp(theta["log_effect"])[data["row_fitted"]]
        )
        base = theta["baseline"][data["event_baseline"]] * season[data["event_day"]]
        pm.Potential("events", pt.sum(pt.log(base + by_state[data["state"]] * touched)))
        risk = pt.sum(data["risk_days"] * season, axis=2)
        pm.Potential("baseline_risk", -pt.sum(theta["baseline"] * pt.dot(risk, activity)))
        scale = (by_state[:, None] * activity[data["nodes"]][None, :]).flatten()
        exposures = pt.dot(scale, data["exposures"]).reshape((-1, KERNELS))
        _effect_risk(pm, pt, data, theta, exposures * multiplier[data["exposure_context"], None])
        if len(features.lift.tests):
            scale = by_state[data["lift_state"]] * activity[data["lift_activity"]]
            scale *= multiplier[data["lift_context"]]
            _lift(pm, pt, data, theta, scale)
    return model


def _libraries() -> tuple[Any, Any]:
    # imported here because both take seconds, and as Any because neither has whole types
    return import_module("pymc"), import_module("pytensor.tensor")


def _parameters(
    pm: Any, pt: Any, data: dict[str, Any], features: Features, priors: Priors
) -> dict[str, Any]:
    """The random variables, and what follows from them alone."""

    def normal(name: str, at: Any = 0.0) -> Any:
        mean, sd = priors[name]
        return pm.Normal(name, mean + at, sd, dims=DIMS.get(name))

    log_rate, log_effect = centres(features)
    centre = pm.Data("centre", np.array([log_rate, log_effect]))
    theta = {"baseline": pt.exp(normal("log_baseline", centre[0]))}
    theta["log_channel"] = normal("log_channel_effect", normal("log_effect_scale", centre[1]))
    log_shape = normal("log_effect_shape")
    shape = theta["shape"] = pt.exp(log_shape)

    peak = normal("kernel_log_peak")
    log_width = normal("kernel_log_width")
    width = pt.sqrt(LEAST_WIDTH**2 + pt.exp(2.0 * log_width))
    steps = (np.log(HALF_LIVES_DAYS)[None, :] - peak[:, None]) / width[:, None]
    bump = pt.special.softmax(-0.5 * steps**2, axis=1)
    rise = pt.sigmoid(normal("kernel_rise"))[:, None]
    theta["weights"] = pt.concatenate([bump * (1.0 - rise), bump * rise], axis=1)

    fitted = len(fitted_units(features))
    theta["log_effect"] = pm.Flat(
        "log_effect", dims=DIMS["log_effect"], initval=np.full(fitted, log_effect)
    )
    relative = theta["log_effect"] - theta["log_channel"][data["fitted_channel"]]
    density = shape * (relative - pt.exp(relative) + log_shape) - pt.gammaln(shape)
    pm.Potential("effect_prior", pt.sum(density))

    sizes = variables(features)
    own = {"season", "activity_power", "activity_curve", "log_customer_effect", "log_saturation"}
    theta |= {name: normal(name) for name in sizes if name in own}
    if "synergy" in sizes:
        mean, scale = priors["synergy"]
        theta["synergy"] = pm.Logistic("synergy", mean, scale, dims=DIMS["synergy"])
    if "logit_caused" in sizes:
        logit = pm.Logistic("logit_caused", *priors["logit_caused"], dims=DIMS["logit_caused"])
        theta["caused"] = pt.sigmoid(logit)
    return theta


def _log_multiplier(pt: Any, data: dict[str, Any], theta: dict[str, Any]) -> Any:
    """What a touch's effect is multiplied by in each context, as a logarithm."""
    log = pt.zeros_like(data["log_repeats"])
    if "log_saturation" in theta:
        power = pt.exp(theta["log_saturation"])
        log -= power[data["context_channel"]] * data["log_repeats"]
    if "synergy" in theta:
        log += pt.dot(data["follows"], theta["synergy"])
    return log


def _effect_risk(
    pm: Any, pt: Any, data: dict[str, Any], theta: dict[str, Any], exposures: Any
) -> None:
    """What the integral of the rate takes from the likelihood for the effects of touches."""
    weighted = pt.sum(exposures * theta["weights"][data["exposure_channel"]], axis=1)
    at_risk = pt.zeros(data["unit_channel"].shape[0])[data["exposure_unit"]].inc(weighted)
    pm.Potential("effect_risk", -pt.sum(pt.exp(theta["log_effect"]) * at_risk[data["fitted"]]))
    mean = pt.exp(theta["log_channel"])[data["unseen_channel"]]
    relative = at_risk[data["unseen"]] * mean / theta["shape"]
    pm.Potential("unseen_risk", -theta["shape"] * pt.sum(pt.log1p(relative)))


def _lift(pm: Any, pt: Any, data: dict[str, Any], theta: dict[str, Any], scale: Any) -> None:
    """What lift tests found, given what the model has the touches of their windows add."""
    mixture = pt.sum(data["lift_sums"] * theta["weights"][data["lift_channel"]], axis=1)
    rows = mixture * scale * pt.exp(theta["log_effect"])[data["lift_fitted"]]
    rows *= theta["caused"][data["lift_caused"]]
    added = pt.zeros_like(data["lift_found"])[data["lift_test"]].inc(rows)
    off = (data["lift_found"] - added) / data["lift_error"]
    pm.Potential("lift_tests", -0.5 * pt.sum(off**2))


def centres(features: Features) -> tuple[float, float]:
    """Log of the baseline rate and of a touch's effect that priors are relative to."""
    conversions = len(features.state)
    days = max(float(features.risk_days.sum()), 1.0)
    touches = max(int(features.unit_touches.sum()), 1)
    return float(np.log(0.5 * conversions / days)), float(np.log(0.3 * conversions / touches))


def fitted_units(features: Features) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The campaigns that any conversion followed or test was of, ascending.

    The others are integrated out.
    """
    return np.unique(np.concatenate((features.unit, features.lift.unit)))


def variables(features: Features) -> dict[str, int]:
    """The model's parameters, all unbounded, in order, with how many values each has."""
    channels = len(features.channels)
    sizes = {
        "log_baseline": len(features.baselines),
        "log_effect_scale": 1,
        "log_channel_effect": channels,
        "log_effect_shape": 1,
        "kernel_log_peak": channels,
        "kernel_log_width": channels,
        "kernel_rise": channels,
        "log_effect": len(fitted_units(features)),
    }
    optional = {
        "season": features.calendar.shape[1],
        "activity_power": int(has_activity(features)),
        "activity_curve": int(has_activity(features)),
        "log_customer_effect": int(has_customers(features)),
        "log_saturation": channels * has_repeats(features),
        "synergy": len(features.contexts.sequences()),
        "logit_caused": len(features.lift.channels),
    }
    return sizes | {name: size for name, size in optional.items() if size}


def context_design(features: Features) -> tuple[FloatArray, FloatArray]:
    """What the log of each context's multiplier is made of, relative to its channel's mean touch.

    An effect is then that of a mean touch, which data tell, rather than that of a first touch
    after nothing, which they may hardly hold.

    Returns
    -------
    What saturation is multiplied by, shape ``(context,)``, and synergies, ``(context, sequence)``.
    """
    contexts = features.contexts
    repeats, after = contexts.means(len(features.channels))
    sequences = contexts.sequences()
    first, then = np.searchsorted(contexts.first, sequences[:, 0]), sequences[:, 1]
    design = contexts.after[:, first] - after[then, first]
    design *= contexts.channel[:, None] == then
    return contexts.log_repeats - repeats[contexts.channel], design


def season_design(features: Features) -> FloatArray:
    """The season of each day relative to the mean day, shape ``(day, basis)``."""
    return features.calendar - features.calendar.mean(axis=0)


def _inputs(features: Features) -> dict[str, Any]:
    units, contexts, lift = len(features.unit_channel), features.contexts, features.lift
    fitted = fitted_units(features)
    unseen = np.setdiff1d(np.arange(units), fitted)
    states = 2 if has_customers(features) else 1
    log_repeats, follows = context_design(features)
    return {
        "row_conversion": features.row_conversion,
        "row_context": features.row_context,
        "row_channel": features.unit_channel[features.row_unit],
        "row_fitted": np.searchsorted(fitted, features.row_unit),
        "kernels": features.kernels,
        "state": features.state,
        "event_zeros": np.zeros(len(features.state)),
        "event_activity": features.activity,
        "event_baseline": features.baseline,
        "event_day": features.day,
        "calendar": season_design(features),
        "levels": features.activity_levels,
        "nodes": features.activity_nodes,
        "risk_days": features.risk_days,
        "log_repeats": log_repeats,
        "context_channel": contexts.channel,
        "follows": follows,
        "exposure_unit": features.exposure_unit,
        "exposure_context": features.exposure_context,
        "exposure_channel": features.unit_channel[features.exposure_unit],
        "exposures": features.exposures[:states].reshape(states * len(features.activity_nodes), -1),
        "unit_channel": features.unit_channel,
        "fitted": fitted,
        "fitted_channel": features.unit_channel[fitted],
        "unseen": unseen,
        "unseen_channel": features.unit_channel[unseen],
        "lift_test": lift.row_test,
        "lift_found": lift.found,
        "lift_error": lift.standard_error,
        "lift_state": np.minimum(lift.state, states - 1),
        "lift_activity": lift.activity,
        "lift_fitted": np.searchsorted(fitted, lift.unit),
        "lift_channel": features.unit_channel[lift.unit],
        "lift_context": lift.context,
        "lift_caused": np.searchsorted(lift.channels, features.unit_channel[lift.unit]),
        "lift_sums": lift.sums,
    }


def coordinates(features: Features) -> dict[str, Any]:
    """Labels of the dimensions in ``DIMS``."""
    sequences = features.contexts.sequences().tolist()
    season = [
        *(str(np.datetime64(int(day), "D")) for day in features.knots),
        "quarter end",
        "weekend",
    ]
    return {
        "baseline": [f"{segment}:{state}" for segment, state in features.baselines],
        "channel": list(features.channels),
        "tested_channel": [features.channels[c] for c in features.lift.channels],
        "fitted_unit": fitted_units(features),
        "time_of_year": season[: features.calendar.shape[1]],
        "sequence": [f"{features.channels[a]} > {features.channels[b]}" for a, b in sequences],
    }

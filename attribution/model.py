"""The model of what makes accounts convert, in PyMC.

Story
-----
1. An account converts at a rate that is a sum of terms, so that each conversion has one cause:
   what would have come anyway, or one touch before it.

       λ_a(t) = e^(γ z_a) [ μ(segment, state) + ρ(state) Σ_j β(campaign of j) κ(t − t_j) ]

2. What comes anyway, ``μ``, differs by segment and by state: prospects make first deals, customers
   expand. States in which the data never has a conversion are not at risk.
3. A touch of a campaign adds ``β`` conversions of a prospect in expectation, over all time, and
   ``ρ β`` of a customer. Never fewer than none; touches neither wear out nor work together.
4. Campaigns of a channel are alike: ``β ~ Gamma(shape, mean θ(channel))``. The shape is learned;
   below one it lets many campaigns be almost zero. A campaign that no conversion ever followed is
   integrated out of the likelihood and drawn afterwards.
5. The effect wears off by the kernel ``κ(channel)``: a mixture over a fixed bank of exponential
   decays whose weights make one bump over the log of the half-life. It integrates to one.
6. Busier accounts may be better ones whatever the campaigns do: ``z_a`` is the log of an account's
   touches relative to its segment's mean, in some ten bins, and ``γ`` what that is worth. Without
   it all of that would be credited to campaigns.
7. Accounts that did not convert count through the integral of λ over their time at risk, so that
   the likelihood is ``Π λ(t_i) · exp(−Σ_a ∫ λ_a)``.
8. A moment of which only the day is known is uniform over that day (``attribution/kernels.py``).

What it cannot know: whether touches and conversions share a cause besides ``z``. See
``docs/model.md`` for what was measured and what breaks it.
"""

import tomllib
from importlib import import_module
from importlib.resources import files
from typing import Any

import numpy as np

from attribution.features import Features
from attribution.kernels import HALF_LIVES_DAYS
from attribution.risk import CUSTOMER

__all__ = [
    "DIMS",
    "Priors",
    "build_model",
    "centres",
    "coordinates",
    "fitted_units",
    "has_activity",
    "has_customers",
    "load_priors",
    "variables",
]

Priors = dict[str, tuple[float, float]]

DIMS = {
    "log_baseline": "baseline",
    "log_channel_effect": "channel",
    "kernel_log_peak": "channel",
    "kernel_log_width": "channel",
    "log_effect": "fitted_unit",
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
    """Whether accounts differ in activity, so that γ has a meaning."""
    return len(features.activity_levels) > 1


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
    ``pymc.Model`` with the variables ``log_baseline``, ``log_channel_effect``,
    ``log_effect_shape``, ``kernel_log_peak``, ``kernel_log_width``, ``log_effect`` (of the
    campaigns that any conversion followed) and, where they have a meaning, ``activity_power`` and
    ``log_customer_effect``.
    """
    pm, pt = _libraries()
    with pm.Model(coords=coordinates(features)) as model:
        data = {name: pm.Data(name, values) for name, values in _inputs(features).items()}
        theta = _parameters(pm, pt, data, features, priors)
        if has_activity(features):
            log_activity = theta["activity_power"] * data["levels"]
            activity = pt.exp(log_activity)
            pm.Potential("events_activity", pt.sum(log_activity[data["event_activity"]]))
            risk_days = pt.dot(data["risk_days"], activity)
        else:
            activity = None
            risk_days = pt.sum(data["risk_days"], axis=1)
        by_state = None
        if has_customers(features):
            by_state = pt.exp(pt.stack([pt.zeros(()), theta["log_customer_effect"]]))

        touched = pt.zeros_like(data["event_zeros"])[data["conversion"]].inc(
            pt.sum(data["kernels"] * theta["weights"][data["pair_channel"]], axis=1)
            * pt.exp(theta["log_effect"])[data["pair_fitted"]]
        )
        if by_state is not None:
            touched = touched * by_state[data["state"]]
        pm.Potential("events", pt.sum(pt.log(theta["baseline"][data["event_baseline"]] + touched)))
        pm.Potential("baseline_risk", -pt.sum(theta["baseline"] * risk_days))
        _effect_risk(pm, pt, data, theta, _exposures(pt, data, by_state, activity))
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
    theta["log_channel"] = normal("log_channel_effect", centre[1])
    log_shape = normal("log_effect_shape")
    shape = theta["shape"] = pt.exp(log_shape)

    peak = normal("kernel_log_peak")
    log_width = normal("kernel_log_width")
    steps = (np.log(HALF_LIVES_DAYS)[None, :] - peak[:, None]) * pt.exp(-log_width)[:, None]
    theta["weights"] = pt.special.softmax(-0.5 * steps**2, axis=1)

    fitted = len(fitted_units(features))
    theta["log_effect"] = pm.Flat(
        "log_effect", dims=DIMS["log_effect"], initval=np.full(fitted, log_effect)
    )
    relative = theta["log_effect"] - theta["log_channel"][data["fitted_channel"]]
    density = shape * (relative - pt.exp(relative) + log_shape) - pt.gammaln(shape)
    pm.Potential("effect_prior", pt.sum(density))

    if has_activity(features):
        theta["activity_power"] = normal("activity_power")
    if has_customers(features):
        theta["log_customer_effect"] = normal("log_customer_effect")
    return theta


def _exposures(pt: Any, data: dict[str, Any], by_state: Any, activity: Any) -> Any:
    """The kernels' integrals over the risk that follows touches, shape ``(unit, kernel)``."""
    if by_state is not None and activity is not None:
        scale = (by_state[:, None] * activity[None, :]).flatten()
    else:
        scale = by_state if by_state is not None else activity
    flat = pt.sum(data["exposures"], axis=0) if scale is None else pt.dot(scale, data["exposures"])
    return flat.reshape((-1, len(HALF_LIVES_DAYS)))


def _effect_risk(
    pm: Any, pt: Any, data: dict[str, Any], theta: dict[str, Any], exposures: Any
) -> None:
    """What the integral of the rate takes from the likelihood for the effects of touches."""
    at_risk = pt.sum(exposures * theta["weights"][data["unit_channel"]], axis=1)
    pm.Potential("effect_risk", -pt.sum(pt.exp(theta["log_effect"]) * at_risk[data["fitted"]]))
    mean = pt.exp(theta["log_channel"])[data["unseen_channel"]]
    relative = at_risk[data["unseen"]] * mean / theta["shape"]
    pm.Potential("unseen_risk", -theta["shape"] * pt.sum(pt.log1p(relative)))


def centres(features: Features) -> tuple[float, float]:
    """Log of the baseline rate and of a touch's effect that priors are relative to."""
    conversions = len(features.state)
    days = max(float(features.risk_days.sum()), 1.0)
    touches = max(int(features.unit_touches.sum()), 1)
    return float(np.log(0.5 * conversions / days)), float(np.log(0.3 * conversions / touches))


def fitted_units(features: Features) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The campaigns that any conversion followed, ascending; the others are integrated out."""
    return np.unique(features.unit)


def variables(features: Features) -> dict[str, int]:
    """The model's parameters, all unbounded, in order, with how many values each has."""
    channels = len(features.channels)
    sizes = {
        "log_baseline": len(features.baselines),
        "log_channel_effect": channels,
        "log_effect_shape": 1,
        "kernel_log_peak": channels,
        "kernel_log_width": channels,
        "log_effect": len(fitted_units(features)),
    }
    if has_activity(features):
        sizes["activity_power"] = 1
    if has_customers(features):
        sizes["log_customer_effect"] = 1
    return sizes


def _inputs(features: Features) -> dict[str, Any]:
    units = len(features.unit_channel)
    fitted = fitted_units(features)
    unseen = np.setdiff1d(np.arange(units), fitted)
    states = 2 if has_customers(features) else 1
    return {
        "conversion": features.conversion,
        "kernels": features.kernels,
        "pair_channel": features.unit_channel[features.unit],
        "pair_fitted": np.searchsorted(fitted, features.unit),
        "state": features.state,
        "event_zeros": np.zeros(len(features.state)),
        "event_activity": features.activity,
        "event_baseline": features.baseline,
        "levels": features.activity_levels,
        "risk_days": features.risk_days,
        "exposures": features.exposures[:states].reshape(
            states * len(features.activity_levels), -1
        ),
        "unit_channel": features.unit_channel,
        "fitted": fitted,
        "fitted_channel": features.unit_channel[fitted],
        "unseen": unseen,
        "unseen_channel": features.unit_channel[unseen],
    }


def coordinates(features: Features) -> dict[str, Any]:
    """Labels of the dimensions in ``DIMS``."""
    return {
        "baseline": [f"{segment}:{state}" for segment, state in features.baselines],
        "channel": list(features.channels),
        "fitted_unit": fitted_units(features),
    }

"""The fused density is the PyMC model's, and its gradient is right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution import factors
from attribution.density import log_density
from attribution.factors import kept_in
from attribution.features import build_features
from attribution.inputs import EFFECT, build_inputs
from attribution.model import build_model, centres, load_priors, variables
from attribution.places import find_frame, framed_density, from_places, placed_density

from .test_lift import lift_tests
from .worlds import make_world

WORLDS = {
    "prospects alike": {"customers": False, "busy": False},
    "prospects": {"customers": False, "busy": True},
    "customers alike": {"customers": True, "busy": False},
    "customers": {"customers": True, "busy": True},
    "tested": {"customers": True, "busy": True},
}


@pytest.fixture(scope="module", params=WORLDS)
def features(request):
    journeys = make_world(seed=3, accounts=60, **WORLDS[request.param]).journeys()
    if request.param == "tested":
        month = ("2025-03-01", "2025-04-01")
        of = lift_tests(("search", "", *month), ("", "event", *month))
        journeys = replace(journeys, lift_tests=of)
    return build_features(journeys)


def a_place(features):
    inputs = build_inputs(features, load_priors())
    rng = np.random.default_rng(5)
    x = inputs.prior_mean + 0.3 * rng.normal(size=len(inputs.prior_mean))
    at = inputs.at[EFFECT]
    x[at : at + inputs.fitted] = rng.normal(-4, 2, inputs.fitted)
    return inputs, x


def slopes(function, x):
    return [(function(x + step) - function(x - step)) / 2e-6 for step in np.eye(len(x)) * 1e-6]


def test_worlds_differ_in_their_parameters(features):
    assert variables(features)["log_effect"] > 1
    assert ("activity_power" in variables(features)) == ("activity_curve" in variables(features))
    if "activity_power" not in variables(features):
        assert len(features.activity_levels) == 1


def test_gradient(features):
    inputs, x = a_place(features)
    gradient, unused = np.empty_like(x), np.empty_like(x)
    log_density(x, inputs, gradient)
    found = slopes(lambda y: log_density(y, inputs, unused), x)
    assert gradient == pytest.approx(found, rel=1e-5, abs=1e-4)


def test_gradient_by_place(features):
    inputs, x = a_place(features)
    x[inputs.at[EFFECT] :][: inputs.fitted] += 4.0  # some above zero
    due = np.linspace(0.0, 20.0, inputs.fitted)
    gradient, unused = np.empty_like(x), np.empty_like(x)
    placed_density(x, inputs, due, gradient)
    found = slopes(lambda y: placed_density(y, inputs, due, unused), x)
    assert gradient == pytest.approx(found, rel=1e-5, abs=1e-4)


def test_places_carry_the_volume_they_take(features):
    """Density by place = density by parameter x how far a step of a place goes."""
    inputs, x = a_place(features)
    unused = np.empty_like(x)
    due = np.linspace(0.0, 20.0, inputs.fitted)
    moved = x.copy()
    from_places(moved, inputs, due)

    def steps(y):
        y = y.copy()
        from_places(y, inputs, due)
        return y

    jacobian = np.array(slopes(steps, x))
    expected = log_density(moved, inputs, unused) + np.log(np.linalg.det(jacobian))
    assert placed_density(x, inputs, due, unused) == pytest.approx(expected, rel=1e-8)


def test_in_a_frame_the_density_is_about_as_wide_along_each_axis(features):
    inputs, _ = a_place(features)
    frame = find_frame(inputs, centres(features)[1])
    assert np.all(frame.due > 0)
    assert frame.due.sum() < len(features.state)
    top, unused = np.zeros_like(frame.centre), np.empty_like(frame.centre)

    def density(z):
        return framed_density(z, inputs, frame, unused)

    def gradient(z):
        framed_density(z, inputs, frame, of := np.empty_like(z))
        return of

    rng = np.random.default_rng(1)
    for place in rng.normal(size=(20, len(top))):
        assert density(place) < density(top)
        assert gradient(place) == pytest.approx(slopes(density, place), rel=1e-5, abs=1e-4)
    curvature = np.linalg.eigvalsh(-np.array(slopes(gradient, top)))
    assert curvature.max() == pytest.approx(1, abs=0.01)
    assert np.median(curvature) == pytest.approx(1, abs=0.01)


def test_what_was_compiled_of_other_sources_is_not_used(tmp_path):
    """numba looks at the file of a function alone, and not at those of what it calls."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "caller.py").write_text("from called import f")
    (sources / "called.py").write_text("f = 1")
    first = kept_in(sources)
    assert first == kept_in(sources)
    assert first.parent == sources / "__pycache__"
    (sources / "called.py").write_text("f = 2")
    kept_in.cache_clear()
    assert kept_in(sources) != first
    assert kept_in(sources, str(tmp_path / "told")).parent == tmp_path / "told"
    ours = kept_in(Path(factors.__file__).parent)
    assert log_density._cache.cache_path.startswith(str(ours.parent))


@pytest.mark.slow
def test_it_is_the_pymc_model(features):
    priors = load_priors()
    model = build_model(features, priors)
    names = variables(features)
    assert [variable.name for variable in model.free_RVs] == list(names)
    density = model.compile_logp(mode="FAST_COMPILE")
    slope = model.compile_dlogp(mode="FAST_COMPILE")
    constants = []
    for shift in (0.0, 0.1):
        inputs, x = a_place(features)
        x = x + shift
        gradient = np.empty_like(x)
        value = log_density(x, inputs, gradient)
        parts = np.split(x, np.cumsum(list(names.values()))[:-1])
        point = {
            name: part if variable.ndim else part[0]
            for name, part, variable in zip(names, parts, model.free_RVs, strict=True)
        }
        assert slope(point) == pytest.approx(gradient, rel=1e-8, abs=1e-7)
        constants.append(value - density(point))
    assert constants[0] == pytest.approx(constants[1], abs=1e-6)

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma

from attribution.kernels import HALF_LIVES_DAYS, bump_weights, exposure, intensity

LAGS = [-1.0, -0.4, 0.0, 0.3, 0.999, 1.0, 1.7, 8.0, 45.0, 400.0]
WIDTHS = [(False, False), (True, False), (False, True), (True, True)]
MIDDLES = (np.arange(400) + 0.5) / 400


def averaged(function, lag, touch_day_only, end_day_only):
    """By brute force: the mean over hours of the days that hide them."""
    touch = MIDDLES if touch_day_only else np.zeros(1)
    end = MIDDLES if end_day_only else np.zeros(1)
    return function(lag + end[:, None] - touch[None, :]).mean()


@pytest.mark.parametrize(("touch", "end"), WIDTHS)
@pytest.mark.parametrize("lag", LAGS)
def test_intensity_and_exposure_are_what_integration_gives(lag, touch, end):
    arguments = np.array([lag]), np.array([touch]), np.array([end])
    found = intensity(*arguments)[0], exposure(*arguments)[0]
    # a wait is exponential, or the sum of two of half the mean
    for b, (shape, half_life) in enumerate(product((1, 2), HALF_LIVES_DAYS)):
        wait = gamma(shape, scale=half_life / np.log(2) / shape)
        density = averaged(lambda x, wait=wait: np.where(x >= 0, wait.pdf(x), 0), lag, touch, end)
        risk = averaged(wait.cdf, lag, touch, end)
        assert found[0][b] == pytest.approx(density, rel=4e-3, abs=1e-7)
        assert found[1][b] == pytest.approx(risk, rel=4e-3, abs=1e-7)


@given(st.floats(0, 2000), st.booleans(), st.booleans())
def test_exposure_grows_from_nothing_to_one(lag, touch, end):
    arguments = np.array([touch]), np.array([end])
    now, later = (exposure(np.array([at]), *arguments) for at in (lag, lag + 1))
    assert np.all((now >= 0) & (now <= 1))
    assert np.all(later >= now - 1e-9)


def test_the_same_day_at_unknown_hours_is_half_a_day_of_chances():
    flat = intensity(np.zeros(1), np.ones(1, bool), np.ones(1, bool), np.array([1e5]))
    assert flat[0, 0] == pytest.approx(0.5 * np.log(2) / 1e5, rel=1e-4)


def test_bumps_sum_to_one_however_narrow():
    rise = np.array([0.0, 0.3, 1.0, 0.5])
    weights = bump_weights(np.array([-5.0, 0.4, 2.0, 9.0]), np.array([0.01, 0.1, 0.5, 20.0]), rise)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert weights[:, 6:].sum(axis=1) == pytest.approx(rise)
    assert weights[0].argmax() == 0
    assert weights[3] == pytest.approx(1 / 12, rel=0.2)

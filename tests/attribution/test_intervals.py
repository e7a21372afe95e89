import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizops.intervals import interval


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_the_mean_lies_inside(values):
    mean, low, high = interval(np.array(values))
    assert 0 <= low <= mean <= high


def test_it_is_the_narrowest_that_holds_enough():
    draws = np.concatenate((np.linspace(10, 11, 90), np.linspace(50, 90, 10)))
    _, low, high = interval(draws)
    assert low == pytest.approx(10)
    assert high == pytest.approx(16.45)  # widened to the mean


def test_low_ends_near_zero_are_zero():
    rng = np.random.default_rng(1)
    small, large = rng.normal(1.5, 0.4, 4000), rng.normal(100, 5, 4000)
    draws = np.maximum(np.stack((small, large), axis=1), 0)
    _, low, _ = interval(draws, zero_below=1.0)
    assert low[0] == 0
    assert low[1] == pytest.approx(91.8, abs=1)
    _, low, _ = interval(draws)
    assert low[0] == pytest.approx(0.84, abs=0.1)


def test_no_draws_is_an_error():
    with pytest.raises(ValueError, match="no draws"):
        interval(np.zeros((0, 3)))

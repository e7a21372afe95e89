"""What every rule keeps to, and the numbers of each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from attribution.rules import RULES

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
journeys = st.lists(st.lists(st.floats(0, 9000), max_size=6), min_size=1, max_size=8)


def shares(rule, ages):
    """Shares of each journey, whose touches are given oldest first."""
    counts = np.array([len(one) for one in ages], dtype=np.int64)
    found = rule(np.array([age for one in ages for age in one], dtype=float), counts)
    return np.split(found, np.cumsum(counts)[:-1])


def oldest_first(ages):
    return [sorted(one, reverse=True) for one in ages]


@every_rule
@given(journeys)
def test_shares_sum_to_one_and_none_is_negative(rule, ages):
    for one in shares(rule, oldest_first(ages)):
        assert np.all(one >= 0)
        if len(one):
            assert one.sum() == pytest.approx(1)


@every_rule
@given(journeys, st.randoms())
def test_journeys_do_not_see_each_other(rule, ages, random):
    ages = oldest_first(ages)
    order = list(range(len(ages)))
    random.shuffle(order)
    alone = [shares(rule, [one])[0] for one in ages]
    together = shares(rule, [ages[i] for i in order])
    for place, i in enumerate(order):
        assert_allclose(together[place], alone[i])


@every_rule
def test_a_single_touch_gets_everything(rule):
    """Fewer touches than a rule names must not leave shares unassigned."""
    assert shares(rule, [[3.0]])[0] == pytest.approx([1])
    assert shares(rule, [[3.0, 2.0]])[0].sum() == pytest.approx(1)


@every_rule
def test_no_touches_at_all(rule):
    assert len(rule(np.zeros(0), np.zeros(3, dtype=np.int64))) == 0


@every_rule
def test_touches_of_one_moment_are_told_apart_by_place_only(rule):
    found = shares(rule, [[5.0, 5.0, 5.0]])[0]
    assert found.sum() == pytest.approx(1)
    assert_allclose(found, shares(rule, [[5.0, 5.0, 5.0]])[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first_touch", [1, 0, 0, 0]),
        ("last_touch", [0, 0, 0, 1]),
        ("linear", [0.25, 0.25, 0.25, 0.25]),
        ("time_decay", np.array([1, 2, 4, 8]) / 15),
        ("position_based", [0.4, 0.1, 0.1, 0.4]),
    ],
)
def test_four_touches_a_week_apart(name, expected):
    assert shares(RULES[name], [[21.0, 14.0, 7.0, 0.0]])[0] == pytest.approx(expected)


def test_decay_of_ages_beyond_the_smallest_number():
    assert shares(RULES["time_decay"], [[30_007.0, 30_000.0]])[0] == pytest.approx([1 / 3, 2 / 3])

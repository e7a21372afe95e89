"""What every rule keeps to, and the numbers of each."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from attribution.rulebook import MARKOV
from attribution.rules import RULES, Paths, split_by_unit
from bizops.models import MODELS

WEIGHTS = np.array([0.5, 0.25, 0.0, 0.125])  # whatever a chain says of four campaigns
EVERY_RULE = RULES | {"markov": lambda paths: split_by_unit(paths, WEIGHTS)}
every_rule = pytest.mark.parametrize("rule", EVERY_RULE.values(), ids=EVERY_RULE)
touch = st.tuples(st.floats(0, 9000), st.integers(0, 3))
journey = st.tuples(st.lists(touch, max_size=6), st.integers(-1, 5))
journeys = st.lists(journey, min_size=1, max_size=8)


def paths_of(told):
    """Journeys of (age, unit) of each touch and the place of the one that made it known."""
    ages = [sorted((age for age, _ in touches), reverse=True) for touches, _ in told]
    begins = np.cumsum([0, *map(len, ages)])
    known = [begins[n] + at for n, (touches, at) in enumerate(told) if 0 <= at < len(touches)]
    units = [unit for touches, _ in told for _, unit in touches]
    return Paths.of(*ages, unit=units, known=known)


def shares(rule, paths):
    """Shares of each journey."""
    return np.split(rule(paths), np.cumsum(paths.counts)[:-1])


def test_every_name_has_a_rule():
    assert (*RULES, *MARKOV) == MODELS[1:]


@every_rule
@given(journeys)
def test_shares_sum_to_one_and_none_is_negative(rule, told):
    for one in shares(rule, paths_of(told)):
        assert np.all(one >= 0)
        if len(one):
            assert one.sum() == pytest.approx(1)


@every_rule
@given(journeys, st.randoms())
def test_journeys_do_not_see_each_other(rule, told, random):
    order = list(range(len(told)))
    random.shuffle(order)
    alone = [shares(rule, paths_of([one]))[0] for one in told]
    together = shares(rule, paths_of([told[i] for i in order]))
    for place, i in enumerate(order):
        assert_allclose(together[place], alone[i])


@every_rule
def test_a_single_touch_gets_everything(rule):
    """Fewer touches than a rule names must not leave shares unassigned."""
    assert rule(Paths.of([3.0])) == pytest.approx([1])
    assert rule(Paths.of([3.0], known=[0])) == pytest.approx([1])
    assert rule(Paths.of([3.0, 2.0])).sum() == pytest.approx(1)
    assert rule(Paths.of([3.0, 2.0], known=[1])).sum() == pytest.approx(1)


@every_rule
def test_no_touches_at_all(rule):
    assert len(rule(Paths.of([], [], []))) == 0


@every_rule
def test_touches_of_one_moment_are_told_apart_by_place_only(rule):
    found = rule(Paths.of([5.0, 5.0, 5.0]))
    assert found.sum() == pytest.approx(1)
    assert_allclose(found, rule(Paths.of([5.0, 5.0, 5.0])))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first_touch", [1, 0, 0, 0]),
        ("last_touch", [0, 0, 0, 1]),
        ("linear", [0.25, 0.25, 0.25, 0.25]),
        ("time_decay", np.array([1, 2, 4, 8]) / 15),
        ("position_based", [0.4, 0.1, 0.1, 0.4]),
        ("w_shaped", [0.4, 0.1, 0.1, 0.4]),
        ("shapley", [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_four_touches_a_week_apart(name, expected):
    assert RULES[name](Paths.of([21.0, 14.0, 7.0, 0.0])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("touches", "known", "expected"),
    [
        (5, 2, [0.3, 0.05, 0.3, 0.05, 0.3]),
        (5, 0, [0.6, 0.1 / 3, 0.1 / 3, 0.1 / 3, 0.3]),
        (5, 4, [0.3, 0.1 / 3, 0.1 / 3, 0.1 / 3, 0.6]),
        (3, 1, [1 / 3, 1 / 3, 1 / 3]),
        (2, 1, [1 / 3, 2 / 3]),
    ],
)
def test_a_w_of_three_milestones(touches, known, expected):
    ages = np.arange(touches, 0.0, -1)
    assert RULES["w_shaped"](Paths.of(ages, known=[known])) == pytest.approx(expected)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=6))
def test_shapley_is_the_mean_over_all_orders_of_joining(units):
    """By the definition: what a campaign adds to those that joined before it."""
    paths = Paths.of(*([1.0] * len(one) for one in units), unit=[u for one in units for u in one])
    found = np.bincount(paths.unit, RULES["shapley"](paths), minlength=4)
    expected = np.zeros(4)
    orders = list(permutations(range(4)))
    for order in orders:
        for n, unit in enumerate(order):
            before, after = {*order[:n]}, {*order[: n + 1]}
            expected[unit] += sum({*one} <= after and not {*one} <= before for one in units)
    assert_allclose(found, expected / len(orders))


def test_decay_of_ages_beyond_the_smallest_number():
    assert RULES["time_decay"](Paths.of([30_007.0, 30_000.0])) == pytest.approx([1 / 3, 2 / 3])

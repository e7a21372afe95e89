"""Markov's removal effects against hand-made numbers, a simulation, and what must not matter."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from attribution import markov
from attribution.markov import markov_totals, removal_effects
from attribution.rules import Paths

UNITS = 4
one_journey = st.tuples(st.lists(st.integers(0, UNITS - 1), max_size=7), st.booleans())
some_journeys = st.lists(one_journey, min_size=1, max_size=12)
orders = st.integers(1, 4)


def paths_of(journeys):
    """Journeys of (units, whether it converted) as paths and conversions."""
    paths = Paths.of(
        *([1.0] * len(units) for units, _ in journeys),
        unit=[unit for units, _ in journeys for unit in units],
    )
    return paths, np.array([converted for _, converted in journeys], dtype=bool)


def effects_of(journeys, order=1):
    return removal_effects(*paths_of(journeys), UNITS, order)


def test_three_channels_by_hand():
    """0 > 1 > 2 converts, 0 and 1 > 2 do not: P is 1/3, without 0 it is 1/6, else nothing."""
    told = [([0, 1, 2], True), ([0], False), ([1, 2], False)]
    totals, effects = markov_totals(*paths_of(told), UNITS)
    assert_allclose(effects, [0.5, 1, 1, 0])
    assert_allclose(totals, [0.2, 0.4, 0.4, 0])


def test_order_two_by_hand():
    """0 > 1 converts, 2 > 1 does not. One step back 1 looks alike; two steps back it does not."""
    told = [([0, 1], True), ([2, 1], False)]
    assert_allclose(effects_of(told, 1), [0.5, 1, 0.5, 0])
    assert_allclose(effects_of(told, 2), [1, 1, 0, 0])


def test_order_three_needs_three_steps():
    told = [([0, 2, 1], True), ([3, 2, 1], False)]
    assert_allclose(effects_of(told, 2), [0.5, 1, 1, 0.5])
    assert_allclose(effects_of(told, 3), [1, 1, 1, 0])
    assert_allclose(effects_of(told, 4), [1, 1, 1, 0])


def test_a_loop_by_hand():
    """0 > 1 > 0 converts: from 0 to 1 or the sale, half each. P is 1, without 1 it is 1/2."""
    assert_allclose(effects_of([([0, 1, 0], True)]), [1, 0.5, 0, 0])


@given(some_journeys, orders)
def test_effects_are_shares_and_above_zero_where_a_journey_converted(told, order):
    effects = effects_of(told, order)
    assert np.all((effects >= 0) & (effects <= 1))
    sold = {unit for units, converted in told if converted for unit in units}
    assert sold <= {*np.flatnonzero(effects > 1e-9)}
    totals, _ = markov_totals(*paths_of(told), UNITS, order)
    conversions = sum(converted and bool(units) for units, converted in told)
    assert totals.sum() == pytest.approx(conversions)


@given(some_journeys, orders, st.randoms())
def test_the_order_of_journeys_does_not_matter(told, order, random):
    shuffled = random.sample(told, len(told))
    assert_allclose(effects_of(shuffled, order), effects_of(told, order), atol=1e-12)


@given(some_journeys, st.integers(2, 5))
def test_equal_journeys_count_each(told, times):
    """The chance of a step is what it was, and the conversions are as many as there were."""
    assert_allclose(effects_of(told * times, 2), effects_of(told, 2), atol=1e-12)
    totals, _ = markov_totals(*paths_of(told * times), UNITS)
    assert_allclose(totals, times * markov_totals(*paths_of(told), UNITS)[0], atol=1e-9)


@given(some_journeys)
def test_order_one_does_not_see_repeats(told):
    collapsed = [
        ([unit for n, unit in enumerate(units) if not n or units[n - 1] != unit], converted)
        for units, converted in told
    ]
    assert_allclose(effects_of(collapsed), effects_of(told), atol=1e-12)


@given(some_journeys, orders)
def test_both_ways_to_solve_agree(told, order):
    at_once = effects_of(told, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markov, "FEW_STATES", 0)
        assert_allclose(effects_of(told, order), at_once, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2])
def test_a_simulation_of_the_chain_comes_to_the_same(order):
    rng = np.random.default_rng(4)
    told = [
        (rng.integers(0, UNITS, rng.integers(1, 6)).tolist(), bool(rng.random() < 0.4))
        for _ in range(30)
    ]
    walks = 20_000
    steps = {}
    for units, converted in told:
        state = ()
        for unit in [*units, "sale" if converted else "null"]:
            steps.setdefault(state, []).append(unit)
            state = (*state, unit)[-order:]
    counts = np.zeros(UNITS + 1)  # conversions without each unit, then all
    for _ in range(walks):
        state, met = (), set()
        while (unit := steps[state][rng.integers(len(steps[state]))]) not in ("sale", "null"):
            met.add(unit)
            state = (*state, unit)[-order:]
        if unit == "sale":
            counts += [unit not in met for unit in (*range(UNITS), None)]
    simulated = 1 - counts[:UNITS] / counts[UNITS]
    error = np.sqrt(simulated * (1 - simulated) / counts[UNITS])
    assert np.all(np.abs(effects_of(told, order) - simulated) < 4 * error)


def many_journeys(paths, campaigns, seed=3):
    rng = np.random.default_rng(seed)
    counts = 1 + rng.poisson(4.0, paths)
    unit = (campaigns * rng.beta(1.0, 3.0, counts.sum())).astype(np.int64)
    ages = np.zeros(len(unit))
    found = Paths(ages, counts, unit, np.zeros(len(unit), dtype=bool))
    return found, rng.random(paths) < 0.05


def test_five_hundred_campaigns_and_a_hundred_thousand_journeys_take_seconds():
    paths, converted = many_journeys(100_000, 500)
    began = time.process_time()
    totals, _ = markov_totals(paths, converted, 500)
    assert time.process_time() - began < 10  # 0.5 s on one core; a slow machine is no failure
    assert totals.sum() == pytest.approx(converted.sum())
    assert np.array_equal(totals, markov_totals(paths, converted, 500)[0])


def test_without_conversions_nothing_has_an_effect():
    assert_allclose(effects_of([([0, 1], False)]), 0)
    assert_allclose(effects_of([([], True)]), 0)

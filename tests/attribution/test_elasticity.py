"""What more spend buys: known elasticities are found, and where nothing varied nothing is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.elasticity import draw_elasticities, estimate, is_evidence, prior_draws
from attribution.spend import Spend, cut_into_periods

MONDAY = int(np.datetime64("2024-01-01", "D").astype(np.int64))
PRIOR = prior_draws()


def told(day, amount, touch_day=(), currencies=("USD",)):
    spend = Spend("ads", "a", currencies, np.asarray(day), np.asarray(amount, dtype=np.float64))
    return cut_into_periods(spend, np.sort(np.asarray(touch_day, dtype=np.int64)))


def campaign(seed, elasticity, *, weeks=80, spread=0.5, touches_a_week=30.0, trend=0.0):
    """Daily spend that changes every week, and Poisson touches on these days."""
    rng = np.random.default_rng(seed)
    log = spread * rng.normal(size=weeks) + trend * np.arange(weeks)
    day = MONDAY + np.arange(7 * weeks)
    log_day = np.repeat(log, 7)
    mean = touches_a_week / 7 * np.exp(elasticity * log_day)
    return told(day, 100 * np.exp(log_day), np.repeat(day, rng.poisson(mean)))


def drawn(*estimates, draws=1000):
    value, error = (np.array([getattr(one, name) for one in estimates]) for name in FIELDS)
    return draw_elasticities(value, error, draws, np.random.default_rng(1))


FIELDS = ("value", "error")


@pytest.mark.parametrize("elasticity", [0.0, 0.4, 0.8, 1.0])
def test_a_known_elasticity_is_found(elasticity):
    """Of twelve campaigns at least nine of the 90 % intervals hold it, and none is far off."""
    held = 0
    for seed in range(12):
        found = estimate(campaign(seed, elasticity))
        draws = drawn(found)[:, 0]
        low, high = np.quantile(draws, (0.05, 0.95))
        held += low <= elasticity <= high or (elasticity == 0.0 and low < 0.05)
        assert draws.mean() == pytest.approx(elasticity, abs=0.25)
        assert is_evidence(draws, PRIOR)
    assert held >= 9


def test_touches_that_vary_more_than_poisson_leave_more_doubt():
    rng = np.random.default_rng(3)
    weeks = np.arange(80)
    spend = 100 * np.exp(0.5 * rng.normal(size=80))
    mean = 0.3 * spend
    errors = []
    for noise in (0.0, 1.0):
        counts = rng.poisson(mean * np.exp(noise * rng.normal(size=80)))
        errors.append(
            estimate(told(MONDAY + 7 * weeks, spend, np.repeat(MONDAY + 7 * weeks, counts))).error
        )
    assert errors[1] > 2 * errors[0]


@pytest.mark.parametrize("first", [0, 3])  # a first week of which a part is known must not matter
@pytest.mark.parametrize("each", [1, 7])
def test_constant_spend_is_no_evidence(first, each):
    day = MONDAY + np.arange(first, 500, each)
    touch_day = np.repeat(MONDAY + np.arange(first, 500), 5)
    found = estimate(told(day, np.full(len(day), 70.0), touch_day))
    assert found.error == np.inf
    assert "spend hardly varied" in found.why
    assert not is_evidence(drawn(found)[:, 0], PRIOR)


def test_the_same_bill_every_month_is_no_evidence():
    """Months differ in length, and so do their touches: that is not what more money brings."""
    firsts = np.arange("2023-01", "2025-01", dtype="datetime64[M]").astype("datetime64[D]")
    touch_day = np.repeat(np.arange(firsts[0].astype(int), firsts[-1].astype(int)), 40)
    periods = told(firsts.astype(np.int64), np.full(24, 3_000.0), touch_day)
    assert periods.name == "month"
    assert estimate(periods).error == np.inf


def test_what_moves_slowly_is_no_evidence():
    """A company that grows spends more and has more touches; neither made the other."""
    found = estimate(campaign(1, 1.0, spread=0.0, trend=0.02))
    assert found.error == np.inf
    assert "hardly varied" in found.why


@pytest.mark.parametrize(
    ("periods", "why"),
    [
        (told([], []), "0 whole weeks with spend, where 6 or more"),
        (told([MONDAY], [5.0]), "0 whole weeks"),
        (told(MONDAY + np.arange(30), np.full(30, 0.0)), "0 whole weeks"),
        (campaign(1, 1.0, weeks=6), "4 whole weeks with spend"),
        (campaign(1, 1.0, touches_a_week=0.0), "only 0 touches while spend varied"),
    ],
)
def test_too_little_is_said_to_be(periods, why):
    found = estimate(periods)
    assert found.error == np.inf
    assert why in found.why


def test_periods_are_weeks_from_monday_with_the_spend_and_touches_in_them():
    day = [MONDAY + 2, MONDAY + 7, MONDAY + 13, MONDAY + 14, MONDAY + 21]
    periods = told(day, [1, 2, 4, 8, 0], [MONDAY, MONDAY + 6, MONDAY + 20, MONDAY + 21])
    assert periods.name == "week"
    assert periods.start.tolist() == [MONDAY, MONDAY + 7, MONDAY + 14]
    assert periods.amount.tolist() == [1, 6, 8]
    assert periods.touches.tolist() == [2, 0, 1]
    assert periods.whole.tolist() == [False, True, False]
    assert periods.holding(np.array([MONDAY - 1, MONDAY, MONDAY + 20, MONDAY + 21])).tolist() == [
        -1, 0, 2, -1,
    ]  # fmt: skip


def test_what_is_booked_monthly_is_cut_by_month():
    firsts = np.array(["2024-01-15", "2024-02-15", "2024-03-15"], "datetime64[D]")
    periods = told(firsts.astype(np.int64), [1, 2, 3])
    assert periods.name == "month"
    assert periods.days.tolist() == [31, 29, 31]
    assert periods.amount.tolist() == [1, 2, 3]


def test_campaigns_of_a_channel_tell_about_each_other():
    """Six that are known to be near 0.5 say much of a seventh of which nothing is known itself."""
    known = [estimate(campaign(seed, 0.5, touches_a_week=300)) for seed in range(6)]
    nothing = estimate(told([MONDAY], [5.0]))
    draws = drawn(*known, nothing)
    assert draws[:, 6].mean() == pytest.approx(0.5, abs=0.1)
    assert is_evidence(draws[:, 6], PRIOR)
    assert not is_evidence(drawn(nothing)[:, 0], PRIOR)


def test_without_data_the_prior_stays():
    draws = drawn(estimate(told([], [])), draws=4000)[:, 0]
    assert draws.mean() == pytest.approx(PRIOR.mean(), abs=0.03)
    assert draws.std() == pytest.approx(PRIOR.std(), abs=0.03)
    assert PRIOR.min() >= 0


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.floats(-20, 20), st.one_of(st.floats(1e-3, 50), st.just(np.inf))),
        min_size=1,
        max_size=4,
    )
)
def test_draws_are_finite_and_never_negative(estimates):
    value, error = np.array(estimates).T
    draws = draw_elasticities(value, error, 50, np.random.default_rng(1))
    assert draws.shape == (50, len(estimates))
    assert np.isfinite(draws).all()
    assert (draws >= 0).all()

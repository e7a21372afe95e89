"""Lift tests: what they are tests of, what they move, and what goes with a touch uncaused."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import xarray

from attribution.credit import bayesian_credit
from attribution.evidence import added_in_tests
from attribution.expected import expected, log_rates, measure
from attribution.experiments import LiftTests, load_lift_tests
from attribution.features import build_features
from attribution.journeys import US_PER_DAY
from attribution.kernels import exposure
from attribution.lift import without_tests
from attribution.model import variables
from attribution.posterior import STRUCTURAL_DOUBT, thinned
from bizops.database import connect

from .conftest import microseconds, query
from .worlds import make_world, plausible

MONTH = ("2025-03-01", "2025-04-01")  # its first day, and the first after it


def lift_tests(*tests):
    """Each a channel, a campaign, the first day, and the first day after it."""
    channel, campaign, starts, ends = zip(*tests, strict=True)
    return LiftTests(
        tuple(f"test{number}" for number in range(len(tests))),
        channel,
        campaign,
        np.array([microseconds(day) for day in starts]),
        np.array([microseconds(day) for day in ends]),
        np.full(len(tests), 5.0),
        np.full(len(tests), 2.0),
    )


def with_tests(story, *tests):
    return replace(story.journeys(), lift_tests=lift_tests(*tests))


def test_a_test_is_of_its_touches_up_to_the_end_of_its_window(story):
    story.touch("a", "2025-02-27T00:00").touch("a", "2025-03-11T00:00")
    story.touch("a", "2025-03-12T00:00", "mail").touch("a", "2025-04-02T00:00")
    story.touch("b", "2025-03-21T00:00").sale("b", "2025-03-26T00:00")
    story.touch("b", "2025-05-01T00:00")
    lift = build_features(with_tests(story, ("ads", "", *MONTH))).lift

    def to(days):
        return exposure(np.array([days]), np.array([False]), np.array([False]))[0]

    # b is at risk up to its sale, as it never buys again
    assert lift.sums.sum(axis=0) == pytest.approx(to(21.0) + to(5.0))
    assert (lift.tests.tolist(), lift.found.tolist(), lift.channels.tolist()) == ([0], [5.0], [0])


def test_tests_that_say_nothing_are_left_out(story):
    story.touch("a", "2025-03-02T00:00").sale("a", "2025-03-12T00:00")
    story.touch("b", "2025-04-20T00:00", "mail")
    journeys = with_tests(
        story,
        ("mail", "", *MONTH),
        ("ads", "", "2025-03-01", "2025-06-01"),
        ("ads", "none", *MONTH),
        ("", "a", *MONTH),
    )
    assert build_features(journeys).lift.tests.tolist() == [3]
    assert not len(build_features(story.journeys()).lift.tests)


@pytest.fixture(scope="module")
def journeys():
    world = make_world(seed=3, accounts=80, customers=True)
    return replace(
        world.journeys(), lift_tests=lift_tests(("search", "", *MONTH), ("", "event", *MONTH))
    )


def with_association(posterior, channel):
    association = np.zeros_like(posterior.association)
    association[:, channel] = np.random.default_rng(1).gamma(1.0, 2.0, len(posterior))
    return replace(posterior, association=association)


def test_what_a_test_should_find_is_what_its_touches_add(journeys):
    """By the sums of a fit, and by a world in which these are the only touches."""
    features = build_features(journeys)
    posterior = plausible(features, draws=5)
    found = added_in_tests(features, posterior)
    start, end = microseconds(MONTH[0]), microseconds(MONTH[1])
    touches = journeys.touches
    for number, names in enumerate((("search-good", "search-none"), ("event",))):
        of = [unit[1] in names for unit in journeys.units]
        inside = (touches.time_us >= start) & (touches.time_us < end)
        inside &= np.array(of)[touches.unit]
        account = touches.account[inside]
        total = np.zeros(len(posterior))
        for spell in range(len(features.spells.account)):
            mine = np.flatnonzero(inside)[account == features.spells.account[spell]]
            if not len(mine) or features.spells.start_us[spell] >= end:
                continue
            until = min(features.spells.end_us[spell], end)
            none = np.zeros(len(mine), bool)

            def passed(moment, mine=mine, none=none):
                lag = (moment - touches.time_us[mine]) / US_PER_DAY
                return exposure(np.maximum(lag, 0.0), none, none)

            kernel = passed(until) - passed(features.spells.start_us[spell])
            channel = features.unit_channel[touches.unit[mine]]
            rate = np.einsum("tb,dtb->dt", kernel, posterior.weights[:, channel])
            rate *= posterior.effect[:, touches.unit[mine]]
            rate *= posterior.multiplier(features.contexts)[:, features.contexts.of_touch[mine]]
            rate *= posterior.state[:, features.spells.state[spell], None]
            total += (rate * posterior.activity[:, features.spells.activity[spell], None]).sum(1)
        assert found[:, number] == pytest.approx(total, rel=1e-6)


def test_a_share_of_what_goes_with_a_tested_channel_is_caused(journeys):
    """The whole stays as it is, whatever the share; an untested channel's is all caused."""
    features = build_features(journeys)
    assert features.lift.channels.tolist() == [0, 2]  # event, search
    assert variables(features)["logit_caused"] == 2
    assert "logit_caused" not in variables(without_tests(features))
    logit = np.array([[-2.0, 1.0], [0.5, -30.0]])
    drawn = {
        name: ((*"cd", f"{name} of"), np.random.default_rng(size).normal(-1, 0.3, (1, 2, size)))
        for name, size in variables(features).items()
    } | {"logit_caused": ((*"cd", "tested"), logit[None])}
    found = thinned({"posterior": xarray.Dataset(drawn)}, features, seed=1)
    del drawn["logit_caused"]
    whole = thinned({"posterior": xarray.Dataset(drawn)}, without_tests(features), seed=1)
    caused = np.ones((2, len(features.channels)))
    caused[:, features.lift.channels] = 1 / (1 + np.exp(-logit))
    of = features.unit_channel
    assert found.effect == pytest.approx(whole.effect * caused[:, of])
    assert found.channel_effect == pytest.approx(whole.channel_effect * caused)
    assert not found.association[:, 1].any()
    # what is left is not doubted with the effects
    of = of[of != 1]
    left = found.effect * (1 + found.association)[:, features.unit_channel] - found.effect
    left = left[:, features.unit_channel != 1] / (1 - caused[:, of])
    off = left / whole.effect[:, features.unit_channel != 1]
    assert (np.ptp(off[:, of == 2], axis=1) < 1e-9).all()
    assert 0.01 < np.abs(np.log(off)).max() < 5 * STRUCTURAL_DOUBT


def test_what_goes_with_a_touch_uncaused_is_the_baselines(journeys):
    features = build_features(journeys)
    plain = plausible(features, draws=5)
    tied = with_association(plain, 2)
    unit = journeys.touches.unit
    before, _ = bayesian_credit(features, unit, plain)
    credit, draws = bayesian_credit(features, unit, tied)
    for shares in (np.bincount(credit.conversion, credit.share),):
        assert shares == pytest.approx(1.0)
    assert draws.shares.sum() == pytest.approx(len(features.state) * len(tied), rel=1e-5)
    searched = np.unique(features.conversion[features.unit_channel[features.unit] == 2])
    base = credit.touch < 0
    more = credit.share[base] > before.share[base] + 1e-9
    assert np.flatnonzero(more).tolist() == searched.tolist()


def test_the_rate_and_its_integral_hold_the_association(journeys):
    """A rate at conversions and what it adds up to move by the same terms."""
    features = build_features(journeys)
    plain = plausible(features, draws=5)
    tied = with_association(plain, 2)
    rates, more = (np.exp(log_rates(features, of)) for of in (plain, tied))
    only = replace(plain, effect=plain.effect * (features.unit_channel == 2), baseline=1e-300
                   * plain.baseline)  # fmt: skip
    added = np.exp(log_rates(features, only)) * tied.association[:, 2, None]
    assert more - rates == pytest.approx(added)
    whole = np.zeros(len(features.spells.account), dtype=np.int64)
    cells = measure(journeys, features, features.spells, whole, 1)
    before, after, theirs = (
        expected(cells, of, features.unit_channel)[:, 0] for of in (plain, tied, only)
    )
    assert after - before == pytest.approx(theirs * tied.association[:, 2])


def test_tests_are_read_as_they_are_stored(database_url):
    row = (
        "insert into stream.lift_tests values ('lift', 'test', now(), '', %s, %s, %s, %s, 12.5, 3)"
        .replace("values", "(event_id, source, received_at, content_hash, channel, campaign_id,"
                 " starts_on, ends_on, incremental_conversions, standard_error) values")
    )  # fmt: skip
    query(database_url, row, "search", None, date(2025, 3, 1), date(2025, 3, 31))
    connection = connect(database_url)
    try:
        found = load_lift_tests(connection)
    finally:
        connection.close()
    assert (found.ids, found.channel, found.campaign) == (("lift",), ("search",), ("",))
    window = (found.start_us[0], found.end_us[0])
    assert window == (microseconds(MONTH[0]), microseconds(MONTH[1]))
    assert (found.conversions[0], found.standard_error[0]) == (12.5, 3.0)


def test_a_new_test_is_something_new(journeys):
    once = replace(journeys, lift_tests=lift_tests(("search", "", *MONTH)))
    assert journeys.content_hash() != once.content_hash()

"""States, time at risk, and sums that must equal a walk through every touch."""

import numpy as np
import pytest

from attribution.features import activity_bins, build_features
from attribution.kernels import exposure
from attribution.risk import CUSTOMER, PROSPECT, account_states


def test_what_state_an_account_sells_in(story):
    story.sale("a", "2026-01-01").sale("a", "2026-02-01", "expansion")
    story.sale("a", "2026-03-01", "churn", "-1.00").sale("a", "2026-04-01")
    story.sale("b", "2026-01-01", "renewal", "0.00").sale("b", "2026-02-01", "expansion")
    story.sale("c", "2026-01-01").sale("c", "2026-01-01", "expansion")
    before, _ = account_states(story.journeys().revenue)
    former = 2
    assert before.tolist() == [
        *(PROSPECT, CUSTOMER, CUSTOMER, former),
        *(CUSTOMER, CUSTOMER),
        *(PROSPECT, PROSPECT),
    ]


def test_customers_are_not_at_risk_where_they_never_buy_again(story):
    story.touch("a", "2026-01-01T00:00").sale("a", "2026-01-11T00:00")
    story.touch("b", "2026-01-01T00:00").touch("b", "2026-01-21T00:00")
    features = build_features(story.journeys())
    assert features.risk_days.sum() == pytest.approx(10 + 20)
    story.sale("a", "2026-01-16T00:00", "expansion")
    features = build_features(story.journeys())
    assert dict(zip(features.baselines, features.risk_days.sum(axis=1), strict=True)) == {
        ("unknown", PROSPECT): pytest.approx(30),
        ("unknown", CUSTOMER): pytest.approx(10),
    }


def test_risk_starts_with_the_first_sign_but_not_before_the_data(story):
    story.account("old", "2001-01-01").account("new", "2026-01-06T00:00")
    story.touch("other", "2026-01-01T00:00").touch("other", "2026-01-11T00:00")
    journeys = story.journeys()
    started = (journeys.started_us - journeys.started_us.min()) / 86_400_000_000
    assert dict(zip(journeys.account_ids, started, strict=True)) == {
        "old": 0,
        "new": 5,
        "other": 0,
    }


def test_exposures_are_the_sum_over_touches(story):
    story.touch("a", "2026-01-01T00:00").touch("a", "2026-01-03", "mail", "m")
    story.sale("a", "2026-01-05T00:00").sale("a", "2026-01-09", "expansion")
    story.touch("b", "2026-01-02T12:00").touch("b", "2026-01-19T00:00", "mail", "m")
    features = build_features(story.journeys())
    total = features.exposures.sum(axis=1)  # over activity: (state, unit, kernel)
    ads, mail = 0, 1

    def to(days, touch=False, end=False):
        return exposure(np.array([days]), np.array([touch]), np.array([end]))[0]

    assert total[PROSPECT, ads] == pytest.approx(to(4.0) + to(16.5))
    assert total[CUSTOMER, ads] == pytest.approx(to(18.0) - to(4.0))
    assert total[PROSPECT, mail] == pytest.approx(to(2.0, touch=True) + to(0.0))
    assert total[CUSTOMER, mail] == pytest.approx(to(16.0, touch=True) - to(2.0, touch=True))
    by_day = features.touch_exposures
    assert by_day.sums.sum(axis=0) == pytest.approx(total.sum(axis=(0, 1)))


def test_activity_does_not_punish_those_who_converted_early(story):
    """The same rate of touches, cut short by a sale, is the same activity."""
    for account in ("a", "b", "c", "d"):
        story.account(account, "2026-01-01T00:00")
        days = range(2, 12) if account in "ab" else range(2, 32)
        for day in days:
            story.touch(account, f"2026-01-{day:02}T00:00")
    story.sale("a", "2026-01-11T12:00").sale("b", "2026-01-11T12:00")
    levels, bins = activity_bins(story.journeys())
    assert np.ptp(levels[bins]) < 0.15


def test_one_touch_each_says_nothing_about_activity(story):
    story.touch("a", "2026-01-01").touch("b", "2026-02-01").sale("a", "2026-03-01")
    levels, bins = activity_bins(story.journeys())
    assert levels.tolist() == [0]
    assert bins.tolist() == [0, 0]

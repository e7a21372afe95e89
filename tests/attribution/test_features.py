"""States, time at risk, and sums that must equal a walk through every touch."""

import numpy as np
import pytest

from attribution.activity import cut_by_activity
from attribution.features import build_features
from attribution.journeys import US_PER_DAY
from attribution.kernels import exposure
from attribution.risk import CUSTOMER, PROSPECT, account_states, build_spells, risk_by_day

from .conftest import microseconds
from .worlds import make_world


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
    assert dict(zip(features.baselines, features.risk_days.sum(axis=(1, 2)), strict=True)) == {
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
    total = np.zeros((2, 2, features.exposures.shape[-1]))  # (state, unit, kernel)
    np.add.at(total, (slice(None), features.exposure_unit), features.exposures.sum(axis=1))
    ads, mail = 0, 1

    def to(days, touch=False, end=False):
        return exposure(np.array([days]), np.array([touch]), np.array([end]))[0]

    assert total[PROSPECT, ads] == pytest.approx(to(4.0) + to(16.5))
    assert total[CUSTOMER, ads] == pytest.approx(to(18.0) - to(4.0))
    assert total[PROSPECT, mail] == pytest.approx(to(2.0, touch=True) + to(0.0))
    assert total[CUSTOMER, mail] == pytest.approx(to(16.0, touch=True) - to(2.0, touch=True))
    by_day = features.touch_exposures
    assert by_day.sums.sum(axis=0) == pytest.approx(total.sum(axis=(0, 1)))


def activity(journeys):
    """Levels, the cut spells and the bin of each account at its conversions."""
    after = account_states(journeys.revenue)[1]
    return cut_by_activity(journeys, build_spells(journeys, after, {PROSPECT, CUSTOMER}))


def test_activity_does_not_punish_those_who_converted_early(story):
    """The same rate of touches, cut short by a sale, is the same activity."""
    for account in ("a", "b", "c", "d"):
        story.account(account, "2026-01-01T00:00")
        days = range(2, 12) if account in "ab" else range(2, 32)
        for day in days:
            story.touch(account, f"2026-01-{day:02}T00:00")
    story.sale("a", "2026-01-11T12:00").sale("b", "2026-01-11T12:00")
    story.touch("c", "2026-02-20T00:00")
    levels, _, last = activity(story.journeys())
    assert np.ptp(levels[last]) < 0.15


def test_activity_is_what_was_known_beforehand(story):
    """Who is touched more later is not busier before, nor by the touches after a sale."""
    for account, later in (("busy", 28), ("quiet", 6), ("sold", 28), ("other", 8)):
        story.account(account, "2026-01-01T00:00")
        story.touch(account, "2026-01-05T00:00").touch(account, "2026-01-15T00:00")
        for day in range(6, later):
            story.touch(account, f"2026-02-{day:02}T00:00")
    story.sale("sold", "2026-01-20T00:00").touch("other", "2026-06-01T00:00")
    journeys = story.journeys()
    levels, spells, last = activity(journeys)
    known = dict(zip(journeys.account_ids, range(4), strict=True))

    def at(account, day):
        start, end = ((spells.start_us, spells.end_us)[side] for side in (0, 1))
        moment = microseconds(f"2026-{day}T12:00")
        inside = (start <= moment) & (moment < end) & (spells.account == known[account])
        return levels[spells.activity[inside]].item()

    assert at("busy", "01-20") == at("quiet", "01-20") == pytest.approx(0, abs=0.1)
    assert at("busy", "02-08") == at("quiet", "02-08")  # looked at on day 30 from the data's first
    assert at("busy", "03-10") > 0 > at("quiet", "03-10")  # and on day 60
    assert levels[last[known["sold"]]] == at("sold", "04-10") == pytest.approx(0, abs=0.1)


def test_cut_spells_are_the_same_time_at_risk(story):
    for account in ("a", "b"):
        for month in range(1, 7):
            for day in range(1, 3 if account == "a" else 20):
                story.touch(account, f"2026-0{month}-{day:02}T03:00", "ads", f"c{day % 3}")
    story.sale("b", "2026-05-03").sale("b", "2026-05-20", "expansion")
    journeys = story.journeys()
    after = account_states(journeys.revenue)[1]
    whole = build_spells(journeys, after, {PROSPECT, CUSTOMER})
    levels, cut, _ = cut_by_activity(journeys, whole)
    assert len(levels) > 1
    assert len(cut.account) > len(whole.account)
    for spells in (whole, cut):
        for side in ("start_us", "end_us", "account", "state"):
            assert len(getattr(spells, side)) == len(spells.activity)
    lasted = [np.bincount(s.account * 2 + s.state, s.end_us - s.start_us) for s in (whole, cut)]
    assert lasted[0] == pytest.approx(lasted[1])
    day = journeys.started_us.min() // US_PER_DAY
    sums = [
        risk_by_day(s, s.account * 2 + s.state, 4, int(day), 200).sum(axis=1) for s in (whole, cut)
    ]
    assert sums[0] == pytest.approx(sums[1])


def test_accounts_are_looked_at_in_parts(monkeypatch):
    journeys = make_world(3, accounts=120).journeys()
    whole = activity(journeys)
    monkeypatch.setattr("attribution.activity.CHUNK", 50)
    levels, spells, last = activity(journeys)
    assert levels == pytest.approx(whole[0])
    assert (last == whole[2]).all()
    assert (spells.start_us == whole[1].start_us).all()
    assert (spells.activity == whole[1].activity).all()


def test_one_touch_each_says_nothing_about_activity(story):
    story.touch("a", "2026-01-01").touch("b", "2026-02-01").sale("a", "2026-03-01")
    levels, _, last = activity(story.journeys())
    assert levels.tolist() == [0]
    assert last.tolist() == [0, 0]

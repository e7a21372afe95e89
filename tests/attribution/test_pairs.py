"""Which touches count, and by which age."""

import numpy as np
import pytest

from attribution.credit import rule_credit
from attribution.leads import Leads
from attribution.pairs import counted_pairs, within_lookback
from attribution.publish import Findings
from attribution.rulebook import credit_by_rules, find_effects
from attribution.rules import RULES
from bizops.models import MODELS


def pairs_of(journeys):
    sales = journeys.conversions
    return counted_pairs(journeys.touches, sales.account, sales.time_us, sales.day_only)


def found(journeys):
    """Credit by every rule, without leads."""
    nobody = counted_pairs(journeys.touches, *np.zeros((2, 0), int), np.zeros(0, bool))
    touches = journeys.touches
    leads = Leads(np.zeros(0, object), np.zeros(0, int), np.zeros(0, bool), nobody, touches.unit,
                  touches.day_only, journeys.units)  # fmt: skip
    findings = Findings(journeys, leads)
    pairs = pairs_of(journeys)
    findings.effects = find_effects(MODELS, journeys, pairs, 90)
    credit_by_rules(findings, pairs, MODELS, 90)
    return findings


def counted(story):
    """The event ids that count for the only conversion."""
    journeys = story.journeys()
    return journeys.touches.event_ids.take(pairs_of(journeys).touch).to_pylist()


@pytest.mark.parametrize(
    ("touch", "sale", "counts"),
    [
        ("2026-03-01T09:00", "2026-03-01T09:00", True),
        ("2026-03-01T09:01", "2026-03-01T09:00", False),
        ("2026-03-01", "2026-03-01T00:00", True),
        ("2026-03-01", "2026-03-01T23:00", True),
        ("2026-03-02", "2026-03-01T23:00", False),
        ("2026-03-01T23:59", "2026-03-01", True),
        ("2026-03-02T00:00", "2026-03-01", False),
        ("2026-03-01", "2026-03-01", True),
        ("2026-03-02", "2026-03-01", False),
    ],
)
def test_a_touch_counts_unless_it_is_after(story, touch, sale, counts):
    assert bool(counted(story.touch("acme", touch).sale("acme", sale))) == counts


def test_other_accounts_touches_do_not_count(story):
    story.touch("acme", "2026-01-01").touch("bolt", "2026-01-01").touch("coda", "2026-01-01")
    assert counted(story.sale("bolt", "2026-02-01")) == ["t0001"]


@pytest.mark.parametrize(
    ("touch", "sale", "age"),
    [
        ("2026-01-01T12:00", "2026-01-03T18:00", 2.25),
        ("2026-01-01", "2026-01-03T18:00", 2),
        ("2026-01-01T12:00", "2026-01-03", 2),
        ("2026-01-03T12:00", "2026-01-03", 0),
    ],
)
def test_age_is_exact_or_in_days(story, touch, sale, age):
    pairs = pairs_of(story.touch("acme", touch).sale("acme", sale).journeys())
    assert pairs.age_days.tolist() == [age]


def test_a_touch_at_the_very_edge_of_the_window_counts(story):
    story.touch("acme", "2026-01-01T12:00").touch("acme", "2026-01-01T11:59")
    pairs = pairs_of(story.sale("acme", "2026-04-01T12:00").journeys())
    assert within_lookback(pairs, 90).counts.tolist() == [1]
    assert within_lookback(pairs, None).counts.tolist() == [2]


def test_without_a_touch_in_the_window_it_is_the_baselines(story):
    story.touch("acme", "2026-01-01").sale("acme", "2026-06-01").sale("bolt", "2026-06-01")
    journeys = story.journeys()
    for rule in RULES.values():
        credit = rule_credit(journeys, pairs_of(journeys), rule, 90)
        assert credit.touch.tolist() == [-1, -1]
        assert credit.share.tolist() == [1, 1]
        assert rule_credit(journeys, pairs_of(journeys), rule, None).touch.tolist() == [0, -1]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_touches_of_one_moment_go_by_event_id(story, order):
    for i in order:
        story.touch("acme", "2026-01-01T10:00", channel=f"channel{i}")
    journeys = story.sale("acme", "2026-01-02T10:00").journeys()
    credit = rule_credit(journeys, pairs_of(journeys), RULES["last_touch"], 90)
    assert journeys.touches.event_ids[int(credit.touch[0])].as_py() == "t0001"


@pytest.mark.parametrize(
    ("lead", "known"),
    [
        ("2026-01-02T10:00", "t0001"),
        ("2026-01-02T09:59", "t0000"),
        ("2026-01-02", "t0001"),  # the day is known only: its touches count
        ("2026-01-20T00:00", "t0002"),
        ("2026-02-01T09:00", "t0003"),
        ("2026-02-01T09:01", None),  # a lead that came after the sale did not lead to it
        ("2026-02-01", "t0003"),
        ("2025-12-31", None),  # without a touch before it
    ],
)
def test_which_touch_made_the_account_known(story, lead, known):
    for when in ("2026-01-01T10:00", "2026-01-02T10:00", "2026-01-03T10:00", "2026-02-01"):
        story.touch("acme", when)
    story.touch("bolt", "2026-01-01").lead("bolt", "2026-01-01").lead("acme", lead)
    journeys = story.lead("other", "2026-01-01").sale("acme", "2026-02-01T09:00").journeys()
    credit = rule_credit(journeys, pairs_of(journeys), RULES["w_shaped"], 90)
    share = dict(
        zip(journeys.touches.event_ids.take(credit.touch).to_pylist(), credit.share, strict=True)
    )
    expected = {
        None: [0.4, 0.1, 0.1, 0.4],
        "t0000": [0.6, 0.05, 0.05, 0.3],
        "t0001": [0.3, 0.3, 0.1, 0.3],
        "t0002": [0.3, 0.1, 0.3, 0.3],
        "t0003": [0.3, 0.05, 0.05, 0.6],
    }[known]
    assert [share[f"t000{n}"] for n in range(4)] == pytest.approx(expected)


def test_equal_paths_keep_the_revenue_of_each(story):
    """Merging equal paths must add their amounts, not only their number."""
    for account, iacv in (("acme", "100.00"), ("bolt", "250.00")):
        story.touch(account, "2026-01-01").sale(account, "2026-01-05", iacv=iacv)
    findings = found(story.journeys())
    for name in MODELS[1:]:
        credit = findings.credit[name]
        amounts = findings.journeys.conversions.amounts[credit.conversion]
        assert (credit.share * amounts).sum() == 350
        assert credit.share.sum() == 2  # and conversions are not weighted by value


def test_no_touch_after_the_conversion_is_credited_by_any_model(story):
    story.touch("acme", "2026-01-01", "ads").touch("acme", "2026-01-05T11:00", "mail")
    story.sale("acme", "2026-01-05T10:00").touch("acme", "2026-01-06", "mail")
    story.touch("bolt", "2026-01-02", "mail").sale("bolt", "2026-01-01")
    findings = found(story.journeys())
    for name in MODELS[1:]:
        assert findings.credit[name].touch.tolist() == [0, -1], name


def test_journeys_that_did_not_convert_end_in_null(story):
    """What an account does after its last sale is one of them; so is all of one without a sale."""
    story.touch("acme", "2026-01-01", "ads").sale("acme", "2026-01-05")
    story.touch("acme", "2026-02-01", "mail").touch("acme", "2026-02-02", "ads")
    story.touch("bolt", "2025-01-01", "event").touch("bolt", "2026-01-01", "ads")
    story.touch("core", "2026-01-01", "ads").touch("core", "2026-01-02", "mail")
    story.sale("core", "2026-01-05")
    journeys = story.journeys()

    def effects(lookback):
        (found,) = find_effects(["markov_1"], journeys, pairs_of(journeys), lookback).values()
        return [found[channel, "a"] for channel in ("ads", "event", "mail")]

    # ads > sale, mail > ads, ads (its event is too old), ads > mail > sale: P from ads is 3/7, from
    # mail 5/7, from the start 1/2; without mail 3/16, without ads 1/8
    assert effects(90) == pytest.approx([3 / 4, 0, 5 / 8])
    # a quarter starts with the event, which leads to ads
    assert effects(None)[1] == pytest.approx(1 / 4 * 3 / 7 / (1 / 2))


def test_olists_last_touches(shared_data):
    import csv

    from attribution.journeys import Journeys

    from .conftest import Story

    story = Story()
    folder = shared_data / "olist"
    with (folder / "olist_marketing_qualified_leads_dataset.csv").open() as file:
        for row in csv.DictReader(file):
            channel = row["origin"] or "unknown_origin"
            story.touch(row["mql_id"], row["first_contact_date"], channel, row["landing_page_id"])
    with (folder / "olist_closed_deals_dataset.csv").open() as file:
        for row in csv.DictReader(file):
            story.sale(row["mql_id"], row["won_date"].replace(" ", "T"))
    journeys: Journeys = story.journeys()
    pairs = pairs_of(journeys)
    assert len(pairs.counts) == 842
    assert (pairs.age_days == 0).sum() == 33

    def by_channel(lookback):
        credit = rule_credit(journeys, pairs, RULES["last_touch"], lookback)
        touches = credit.touch[credit.touch >= 0]
        names = [journeys.units[unit][0] for unit in journeys.touches.unit[touches]]
        channels = ("paid search", "organic search", "social")
        return [len(names), *(names.count(name) for name in channels)]

    assert by_channel(None) == [841, 195, 270, 75]
    assert by_channel(90) == [691, 150, 217, 59]

"""Which touches count, and by which age."""

import pytest

from attribution.credit import rule_credit
from attribution.pairs import counted_pairs, within_lookback
from attribution.rules import RULES


def pairs_of(journeys):
    sales = journeys.conversions
    return counted_pairs(journeys.touches, sales.account, sales.time_us, sales.day_only)


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
        credit = rule_credit(pairs_of(journeys), rule, 90)
        assert credit.touch.tolist() == [-1, -1]
        assert credit.share.tolist() == [1, 1]
        assert rule_credit(pairs_of(journeys), rule, None).touch.tolist() == [0, -1]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_touches_of_one_moment_go_by_event_id(story, order):
    for i in order:
        story.touch("acme", "2026-01-01T10:00", channel=f"channel{i}")
    journeys = story.sale("acme", "2026-01-02T10:00").journeys()
    credit = rule_credit(pairs_of(journeys), RULES["last_touch"], 90)
    assert journeys.touches.event_ids[int(credit.touch[0])].as_py() == "t0001"


def test_equal_paths_keep_the_revenue_of_each(story):
    """Merging equal paths must add their amounts, not only their number."""
    for account, iacv in (("acme", "100.00"), ("bolt", "250.00")):
        story.touch(account, "2026-01-01").sale(account, "2026-01-05", iacv=iacv)
    journeys = story.journeys()
    credit = rule_credit(pairs_of(journeys), RULES["last_touch"], 90)
    amounts = journeys.conversions.amounts[credit.conversion]
    assert (credit.share * amounts).sum() == 350
    assert credit.share.sum() == 2  # and conversions are not weighted by value


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
        credit = rule_credit(pairs, RULES["last_touch"], lookback)
        touches = credit.touch[credit.touch >= 0]
        names = [journeys.units[unit][0] for unit in journeys.touches.unit[touches]]
        channels = ("paid search", "organic search", "social")
        return [len(names), *(names.count(name) for name in channels)]

    assert by_channel(None) == [841, 195, 270, 75]
    assert by_channel(90) == [691, 150, 217, 59]

"""What a run keeps of experiments and the placebo, and what people read of it."""

from dataclasses import replace

import numpy as np
import pytest

from attribution.evidence import (
    added_by_channel,
    after_sale_touches,
    days_to_test,
    lift_records,
    moved,
    placebo_records,
)
from attribution.evidence_page import bounds_said, evidence_tables, moves_said
from attribution.features import build_features
from attribution.journeys import load_journeys
from attribution.placebo import Placebo
from bizops.bounds import bounded_channels
from bizops.database import opened

from .conftest import Story, query
from .test_lift import MONTH, lift_tests
from .worlds import make_world, plausible


@pytest.fixture(scope="module")
def journeys():
    world = make_world(seed=3, accounts=80, customers=True).journeys()
    of = lift_tests(("search", "", *MONTH), ("mail", "", "2025-03-01", "2027-01-01"))
    return replace(world, lift_tests=of)


def found_to_flag(monkeypatch, *channels):
    seen, expected = np.zeros((3, 6)), np.full((3, 6), 9.0)
    seen[list(channels)] = 90.0
    monkeypatch.setattr("attribution.evidence.placebo", lambda *_: Placebo(seen, expected))


def test_a_flagged_channel_is_an_upper_bound_unless_it_was_tested(journeys, monkeypatch):
    features = build_features(journeys)
    posterior = plausible(features)
    found_to_flag(monkeypatch, 1, 2)
    records = {one["channel"]: one for one in placebo_records(journeys, features, posterior)}
    assert {name: one["flagged"] for name, one in records.items()} == {
        "event": False, "mail": True, "search": True,
    }  # fmt: skip
    assert (records["mail"]["bound"], records["search"]["bound"]) == ("upper", None)
    assert records["search"]["tested"]
    added = added_by_channel(features, posterior).mean(axis=0)[1]
    assert records["mail"]["if_not_its_own"] == [
        {"share": share, "conversions": pytest.approx(added * (1 - share), abs=0.06)}
        for share in (0.25, 0.5, 0.75)
    ]
    days = [one["days"] for one in records["mail"]["lift_test"]]
    assert days[1] == pytest.approx(days[0] * 0.25 / 0.16, abs=1)
    assert list(bounded_channels({"placebo": list(records.values())})) == ["mail"]
    assert bounded_channels(None) == bounded_channels({}) == {}


def test_a_proposed_test_finds_what_is_claimed_four_times_in_five():
    """By the arithmetic of two groups' Poisson counts."""
    rng = np.random.default_rng(1)
    conversions, added, held = 3.0, 0.4, 0.5
    days = days_to_test(added, conversions, held)
    others = conversions * days
    treated = rng.poisson(others * (1 - held), 4_000) / (1 - held)
    control = rng.poisson((others - added * days) * held, 4_000) / held
    error = np.sqrt(others / (held * (1 - held)))
    assert np.mean((treated - control) / error > 1.645) == pytest.approx(0.8, abs=0.03)
    assert days_to_test(0.0, 3.0, 0.5) is None


def test_lift_tests_are_told_with_what_they_moved(journeys):
    features = build_features(journeys)
    posterior = plausible(features)
    without = replace(posterior, effect=posterior.effect * 3)
    used, unused = lift_records(journeys, features, posterior, without)
    assert (used["used"], used["starts_on"], used["ends_on"]) == (True, "2025-03-01", "2025-03-31")
    # both are rounded to two decimals
    assert used["model_without_tests"]["mean"] == pytest.approx(3 * used["model"]["mean"], abs=0.02)
    assert (unused["used"], unused["why_not"]) == (False, "the data ends before the test does")
    (change,) = moved(features, posterior, without)
    assert change["channel"] == "search"
    assert change["without_tests"]["mean"] > 2.9 * change["with_tests"]["mean"]


def test_what_people_read(journeys, monkeypatch):
    features = build_features(journeys)
    posterior = plausible(features)
    found_to_flag(monkeypatch, 1)
    found = {
        "placebo": placebo_records(journeys, features, posterior),
        "lift_tests": lift_records(journeys, features, posterior, posterior),
        "lift_moved": moved(features, posterior, posterior),
    }
    (said,) = bounds_said(found)
    assert "540 of its touches" in said
    assert "it may be nothing" in said
    assert "would tell its credit from nothing" in said
    (test,) = moves_said(found)
    assert test.startswith("search: lift tests moved what it brought from")
    tables = "".join(evidence_tables(found))
    assert "credit is an upper bound" in tables
    assert "the data ends before the test does" in tables
    assert not list(evidence_tables({})) + list(bounds_said({})) + list(moves_said({}))


def test_touches_of_a_sale_are_known_by_their_type(settings):
    Story().touch("a", "2026-01-01").touch("a", "2026-01-02").sale("a", "2026-01-03").store(
        settings.database_url
    )
    query(
        settings.database_url,
        "update stream.touches set touch_type = 'onboarding' where event_id = 't0001'",
    )
    with opened(settings.database_url) as connection:
        journeys = load_journeys(connection)
        assert after_sale_touches(connection, journeys).tolist() == [False, True]

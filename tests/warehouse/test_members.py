"""Performance of organizations, leads and collateral, worked out by hand on the tiny database."""

from collections.abc import Iterator

import pytest

from bizops.models import PUBLISHED
from warehouse.question import Question
from warehouse.transform import transform

from .conftest import execute
from .test_transform import reported, same

pytestmark = pytest.mark.slow


def figures(database_url: str, mart: str, member: str, columns: str, **asked) -> dict:
    where = {"model": "bayesian", "period": "all", "currency": "USD"} | asked
    conditions = " and ".join(f"{name} = '{value}'" for name, value in where.items())
    rows = execute(database_url, f"select {member}, {columns} from marts.{mart} where {conditions}")
    return {row[0]: row[1:] for row in rows}


@pytest.fixture
def built(settings, tiny_database) -> str:
    execute(
        tiny_database, "update stream.touches set collateral_id = 'guide' where event_id = 't2'"
    )
    transform(settings, tiny_database, margin=0.8)
    return tiny_database


def test_members_cost_their_touches_and_bring_what_these_are_credited(built):
    check_organizations(built)
    check_leads(built)
    check_collateral(built)
    for mart in ("organization", "lead", "collateral", "channel", "campaign"):
        check_that_all_adds_up(built, mart)
    check_that_one_is_looked_up(built, "organization_performance where account_id = 'acme'")
    check_that_one_is_looked_up(built, "lead_performance where lead_id = 'L1'")
    check_that_one_is_looked_up(built, "account_timeline where account_id = 'acme'")


def check_that_one_is_looked_up(built: str, asked: str) -> None:
    """Touches and credit are read by an index's condition, whatever else there is to read."""
    explain = f"set enable_seqscan = off; explain (format json) select * from marts.{asked}"
    (((plan,),),) = execute(built, explain)
    read = [node for node in nodes(plan["Plan"])
            if node.get("Relation Name") in ("int_touches", "int_credit")]  # fmt: skip
    assert {node["Relation Name"] for node in read} == {"int_touches", "int_credit"}
    assert all("Index Cond" in node or "Recheck Cond" in node for node in read), read


def nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def check_organizations(built: str) -> None:
    columns = "touches, leads, attributed_leads, spend, attributed_conversions_mean, cac"
    found = figures(built, "organization_performance", "account_id", columns)
    # t1 is one of one mail of January (100), t2 one of one ad of January (300); r1 .75 and r3 .5
    assert found["acme"] == (2, 1, 1.0, 400.0, 1.25, pytest.approx(320))
    # t3 is of no campaign and t4 of a month without spend
    assert found["bolt"] == (2, 1, 0.8, None, 0.75, None)
    assert found["(unknown)"] == (1, 0, 0.0, None, 0.0, None)
    assert found["(baseline)"] == (None, None, pytest.approx(0.2), None, 1.0, None)
    check_that_a_report_says_so(built, "organization", "account", ("acme", "bolt", "(baseline)"))


def check_that_a_report_says_so(built: str, mart: str, by: str, members: tuple[str, ...]) -> None:
    report = {key[0]: row for key, row in reported(built, Question(by=by, margin=0.8)).items()}
    columns = """touches, leads, attributed_leads, attributed_conversions_low,
        attributed_conversions_high, attributed_iacv_mean, attributed_iacv_low,
        attributed_iacv_high, median_conversion_days, ltv, ltv_low, ltv_high"""
    found = figures(built, f"{mart}_performance", f"{by}_id", columns)
    assert set(found) >= set(members)
    for name in members:
        row = report[name]
        expected = (*row[:3], *row[6:8], *row[8:11], row[11], *row[17:20])
        assert same({name: found[name]}, {name: expected}), name


def check_leads(built: str) -> None:
    """A lead has its touches' part of each campaign's share."""
    columns = """touches, spend, attributed_leads, attributed_conversions_mean,
        attributed_iacv_mean, attributed_iacv_low, attributed_iacv_high"""
    found = figures(built, "lead_performance", "lead_id", columns)
    # L1 has all touches of acme: r1 .6 or .9 of 1,000, r3 .5 of 200; L2 all of bolt
    assert found["L1"] == pytest.approx((2, 400, 1, 1.25, 850, 700, 1000), rel=1e-5)
    assert found["L2"][2:] == pytest.approx((0.8, 0.75, 375, 325, 425), rel=1e-5)
    assert found["(unknown)"][:3] == (1, None, 0)
    check_that_a_report_says_so(built, "lead", "lead", ("L1", "L2", "(baseline)"))


def check_collateral(built: str) -> None:
    """Collateral has the credit of the touches that carried it."""
    columns = "touches, leads, attributed_leads, attributed_conversions_mean, attributed_iacv_mean"
    found = figures(built, "collateral_performance", "collateral_id", columns)
    assert found["guide"] == (1, 1, None, pytest.approx(1.0), pytest.approx(600, rel=1e-6))
    assert found["(none)"][:3] == (4, 2, None)


def check_that_all_adds_up(built: str, mart: str) -> None:
    """To all revenue and all conversions, in every period and by every model."""
    rows = execute(
        built,
        "select model, period, sum(attributed_iacv_mean), sum(attributed_conversions_mean)"
        f" from marts.{mart}_performance where currency = 'USD' group by 1, 2",
    )
    credited = {row[:2]: row[2:] for row in rows if row[2] is not None}
    assert set(credited) == {
        (model, period)
        for model in ("bayesian", "linear")
        for period in ("day", "week", "month", "quarter", "all")
    }
    for (model, period), (iacv, conversions) in credited.items():
        assert iacv == pytest.approx(1150, rel=1e-6), (model, period)
        assert conversions == pytest.approx(3, rel=1e-6), (model, period)
    assert {row[0] for row in rows} == set(PUBLISHED)

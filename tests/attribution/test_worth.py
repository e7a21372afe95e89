"""What customers are worth, by what acquired them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from attribution.acquired import NOT_KNOWN, Causes, draw_causes, group_rates, worth_by
from attribution.customers import Customers, deal_amounts, load_customers, retention_years
from attribution.runs import published_run
from attribution.worth import customers_worth
from bizops.cli import app
from bizops.database import opened
from bizops.errors import UsageError
from warehouse.observe import ask

from .conftest import query

TINY = Path(__file__).parents[1] / "warehouse"


@pytest.fixture
def tiny(database_url):
    """Acme and bolt became customers, bolt was lost, coda was one before; 2,000 draws."""
    with opened(database_url) as connection, connection.cursor() as cursor:
        for file in ("tiny.sql", "tiny_run.sql"):
            cursor.execute((TINY / file).read_text())
        cursor.execute(
            "update attribution.credit_draws set shares ="
            " array_fill((select avg(s) from unnest(shares) s)::real, array[2000])"
        )
    return database_url


def customers_of(lost, years, first, expanded):
    count = len(lost)
    return Customers(
        account_ids=np.arange(count).astype(str).astype(object),
        segment=np.full(count, "smb", dtype=object),
        lost=np.array(lost, float), term_years=np.array(years, float),
        years=np.array(years, float),
        first_deal=np.arange(count).astype(str).astype(object),
        first_iacv=np.array(first, float), expanded_by=np.array(expanded, float),
    )  # fmt: skip


def test_customers_are_those_of_reports(tiny):
    with opened(tiny) as connection:
        run = published_run(connection)
        found = load_customers(connection, run.run_id, run.data_until, "USD")
        ((lost, years),) = ask(connection, "retention", {"data_until": run.data_until})
    assert found.account_ids.tolist() == ["acme", "bolt", "coda"]
    assert found.lost.tolist() == [0, 1, 0]
    assert (found.lost.sum(), found.term_years.sum()) == pytest.approx((lost, years))
    assert found.term_years == pytest.approx([11 / 12, 181 / 365.25, 11 / 12])
    assert found.years == pytest.approx(np.array([365, 181, 365]) / 365.25)
    assert found.first_deal.tolist() == ["r1", "r2", None]
    assert found.first_iacv[:2].tolist() == [1000, 500]
    assert np.isnan(found.first_iacv[2])
    assert found.expanded_by.tolist() == [200, 0, 0]
    draws = retention_years(found, 200_000, np.random.default_rng(1))
    assert draws.mean() == pytest.approx(years / lost, rel=0.05)  # as reports have it


def test_no_retention_is_known_before_somebody_is_lost():
    nobody = customers_of([0, 0], [1, 2], [1, 1], [0, 0])
    assert retention_years(nobody, 5, np.random.default_rng(1)) is None
    (row,) = worth_by(nobody, Causes((("ads", ""),), np.zeros((50, 2), np.int32)), 0.5,
                      np.random.default_rng(1))  # fmt: skip
    assert (row.retention_years, row.ltv) == (None, None)
    assert float(row.customers.mean) == 2


@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_mean_amount_of_few_deals_is_drawn_to_that_of_all(count):
    amounts = np.concatenate([np.full(60, 100.0), np.full(40, 400.0)])
    group = np.arange(100) >= 100 - count
    draws = deal_amounts(amounts, group, 4000, np.random.default_rng(2))
    expected = (400.0 * count + 5 * 220.0) / (count + 5)
    assert draws.mean() == pytest.approx(expected, rel=0.02)
    assert draws.min() > 100
    assert draws.max() < 400
    assert deal_amounts(np.zeros(0), np.zeros(0, bool), 3, np.random.default_rng(2)) is None


def test_each_cause_is_drawn_as_often_as_its_share(tiny):
    with opened(tiny) as connection:
        run = published_run(connection)
        customers = load_customers(connection, run.run_id, run.data_until, "USD")
        causes = draw_causes(connection, run.run_id, customers, np.random.default_rng(3))
    assert causes.of_customer.shape == (2000, 3)
    acme = {
        place: (causes.of_customer[:, 0] == number).mean()
        for number, place in enumerate(causes.places)
    }
    published = {("email", "welcome"): 0.25, ("ads", "spring"): 0.5}
    for place, share in published.items():
        assert acme[place] == pytest.approx(share, abs=0.03)
    assert acme["(baseline)", "(baseline)"] == pytest.approx(0.25, abs=0.03)
    assert causes.places[causes.of_customer[0, 2]] == NOT_KNOWN
    channels = causes.by(channel_only=True)
    ads = channels.places.index(("ads", ""))
    assert (channels.of_customer[:, 1] == ads).mean() == pytest.approx(0.5, abs=0.03)


def test_groups_of_many_keep_their_retention_and_groups_of_few_have_that_of_all():
    """Two groups whose rates are 1 and 0.1 a year, and one of whom next to nothing is known."""
    random = np.random.default_rng(4)
    lost = [1] * 100 + [0] * 100 + [1] * 10 + [0] * 190 + [0]
    years = [0.5] * 200 + [0.5] * 200 + [0.01]
    first = [1000] * 200 + [3000] * 200 + [9000]
    expanded = [50] * 200 + [0] * 200 + [0]
    customers = customers_of(lost, years, first, expanded)
    of = np.array([0] * 200 + [1] * 200 + [2], dtype=np.int32)
    causes = Causes((("a", ""), ("b", ""), ("c", "")), np.tile(of, (400, 1)))
    a, b, c = sorted(worth_by(customers, causes, 0.5, random), key=lambda row: row.place)
    assert float(a.retention_years.mean) == pytest.approx(1.0, rel=0.15)
    assert float(b.retention_years.mean) == pytest.approx(10.0, rel=0.35)
    overall = 200.01 / 110
    assert float(c.retention_years.mean) == pytest.approx(overall, rel=0.35)
    assert float(c.retention_years.high) > 1.5 * float(c.retention_years.mean)
    assert float(a.first_iacv.mean) == pytest.approx((1000 * 200 + 5 * 2015) / 205, rel=0.01)
    assert float(c.first_iacv.mean) == pytest.approx((9000 + 5 * 2015) / 6, rel=0.05)
    assert float(a.expansion_iacv_per_year.mean) == pytest.approx(100, rel=0.05)
    assert float(b.expansion_iacv_per_year.mean) < 5
    assert float(a.customers.mean) == 200
    assert float(a.ltv.mean) == pytest.approx(1000 * 0.5 * 1.0, rel=0.2)
    assert a.ltv.low < a.ltv_50.low < a.ltv_50.high < a.ltv.high


def test_rates_of_groups_are_as_unlike_as_the_data_say():
    """Where groups have the same rate their draws lie closer together than where they don't."""
    random = np.random.default_rng(5)
    years = np.full(8, 40.0)

    def spread(lost):
        overall = lost.sum() / years.sum()
        drawn = np.array([group_rates(lost, years, overall, random) for _ in range(300)])
        return (drawn.mean(axis=0).std() + 1e-9) / overall

    assert spread(np.full(8, 20.0)) < 0.05
    assert spread(np.array([2.0, 40, 5, 35, 1, 38, 4, 35])) > 0.7


def test_customers_of_each_group_add_up(tiny, monkeypatch):
    with opened(tiny) as connection:
        by = {name: customers_worth(connection, name, margin=0.8) for name in
              ("channel", "campaign", "segment")}  # fmt: skip
        assert customers_worth(connection, "channel", margin=0.8) == by["channel"]
        with pytest.raises(UsageError, match="no --by 'x'; have channel, campaign, segment"):
            customers_worth(connection, "x")
    for rows in by.values():
        assert sum(row["customers"]["mean"] for row in rows) == pytest.approx(3)
        assert sum(row["years"]["mean"] for row in rows) == pytest.approx(
            2 * 11 / 12 + 181 / 365.25
        )
        assert sum(row["lost"]["mean"] for row in rows) == pytest.approx(1)
        assert all(row["ltv"]["low"] <= row["ltv_50"]["low"] for row in rows if row["ltv"])
    assert {row["channel"] for row in by["channel"]} == {
        "ads", "email", "(baseline)", "(not known)",
    }  # fmt: skip
    (segment,) = by["segment"]
    assert segment["segment"] == "unknown"
    monkeypatch.setenv("BIZOPS_DATABASE_URL", tiny)
    monkeypatch.delenv("BIZOPS_MARGIN", raising=False)
    told = CliRunner().invoke(app, ["worth", "--by", "campaign", "--format", "json"])
    assert {row["campaign_id"] for row in json.loads(told.stdout)} >= {"spring", "welcome"}
    shown = CliRunner().invoke(app, ["worth", "--by", "channel", "--margin", "0.8"])
    assert "(not known)" in shown.stdout
    assert query(tiny, "select count(*) from stream.revenue") == [(6,)]


def test_before_the_first_run_there_is_nothing(database_url):
    with opened(database_url) as connection, pytest.raises(UsageError, match="nothing has been"):
        customers_worth(connection, "channel")

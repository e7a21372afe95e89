"""Currencies by dated rates, margins and retention by product, a calendar of one's own."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from bizops.calendar import PERIODS, Calendar
from bizops.database import opened
from bizops.errors import UsageError
from bizops.settings import Settings
from warehouse.question import Question
from warehouse.report import Report, report
from warehouse.transform import transform

from .conftest import execute
from .test_transform import check_against_reports

RATES = """
insert into stream.exchange_rates (event_id, source, received_at, content_hash, kafka_offset, date,
    currency, to_currency, rate) values
    ('x1', 'test', '2026-01-01Z', '', 1, '2026-01-01', 'USD', 'EUR', 0.5),
    ('x2', 'test', '2026-02-01Z', '', 2, '2026-02-01', 'USD', 'EUR', 0.25),
    ('x3', 'test', '2026-02-02Z', '', 3, '2026-02-01', 'USD', 'EUR', 0.4),
    ('x4', 'test', '2026-01-01Z', '', 4, '2026-01-01', 'EUR', 'GBP', 0.8),
    ('x5', 'test', '2026-02-20Z', '', 5, '2026-02-20', 'BRL', 'USD', 0.2)
"""
"""A dollar is half a euro in January and 0.4 from February on, as was corrected a day later."""
PRODUCTS = """
insert into stream.products (event_id, source, received_at, content_hash, kafka_offset, date,
    product, margin, retention_years) values
    ('p1', 'test', '2025-01-01Z', '', 1, '2025-01-01', null, 0.5, null),
    ('p2', 'test', '2026-02-01Z', '', 2, '2026-02-01', 'core', 0.8, 4),
    ('p3', 'test', '2026-02-20Z', '', 3, '2026-02-20', 'core', 0.9, null);
update stream.revenue set product = 'core' where event_id in ('r1', 'r2', 'r3')
"""


def ask(database_url: str, **question) -> Report:
    with opened(database_url) as connection:
        return report(connection, Question(**question))


def rate(database_url: str, given: str, wanted: str, day: str):
    ((found,),) = execute(database_url, f"select stream.rate('{given}', '{wanted}', '{day}')")
    return None if found is None else float(found)


def test_a_rate_is_the_newest_up_to_its_day_either_way(tiny_database):
    execute(tiny_database, RATES)
    assert rate(tiny_database, "USD", "EUR", "2025-12-31") is None
    assert rate(tiny_database, "USD", "EUR", "2026-01-31") == 0.5
    assert rate(tiny_database, "USD", "EUR", "2026-02-01") == 0.4
    assert rate(tiny_database, "EUR", "USD", "2026-02-01") == 2.5
    assert rate(tiny_database, "GBP", "USD", "2026-01-05") == pytest.approx(1.25 * 2)
    assert rate(tiny_database, "BRL", "GBP", "2026-03-01") is None  # two steps are not taken
    assert rate(tiny_database, "BRL", "EUR", "2026-02-19") is None
    assert rate(tiny_database, "BRL", "EUR", "2026-02-20") == pytest.approx(0.2 * 0.4)


def test_amounts_are_told_in_the_currency_that_is_asked_for(tiny_database):
    execute(tiny_database, RATES)
    ads, *_, baseline = ask(tiny_database, currency="EUR").rows
    # r1 of January at .5, r2 and r3 at .4: draws 200 + 120 + 40 and 300 + 80 + 40
    assert ads.attributed_iacv[:3] == pytest.approx((390, 360, 420), rel=1e-6)
    assert ads.spend == pytest.approx(300 * 0.5 + 100 * 0.4)
    assert ads.currency == "EUR"
    # 1,150 dollars: 1,000 of January, 700 - 500 - 50 later
    total = sum(row.attributed_iacv.mean for row in ask(tiny_database, currency="EUR").rows)
    assert total == pytest.approx(1000 * 0.5 + 150 * 0.4)
    assert baseline.currency == "EUR"


def test_what_has_no_rate_is_left_out_and_said(tiny_database):
    execute(tiny_database, RATES)
    execute(tiny_database, "update stream.revenue set currency = 'JPY' where event_id = 'r2'")
    found = ask(tiny_database, currency="EUR")
    assert found.run.without_rate == (("JPY", 1, date(2026, 2, 11)),)
    with pytest.raises(UsageError, match="amounts are in JPY, USD, which don't add up"):
        ask(tiny_database)
    with pytest.raises(UsageError, match="no amounts in CHF, and no exchange rates to it"):
        ask(tiny_database, currency="CHF")


def test_margin_and_retention_are_those_of_the_product_on_the_day(tiny_database):
    execute(tiny_database, PRODUCTS)
    ads = ask(tiny_database, margin=0.1).rows[0]
    # r1 before core had a margin: .5 x 500; r2 on 11 February .8 and kept four years; r3 on 1 March
    # .9, and four years still
    years = (2 * 11 / 12 + 181 / 365.25) / 1
    value = 0.5 * 500 * years + 0.8 * 4 * 250 + 0.9 * 4 * 100
    assert ads.ltv.value == pytest.approx(value / 1.5, rel=1e-6)
    assert ads.roi.value == pytest.approx(value / 400, rel=1e-6)
    assert ads.ltv.low < ads.ltv.value < ads.ltv.high
    assert 0.9 < ads.roi_above_one <= 1  # 1,160 of 400 are certain


def test_doubt_of_a_rule_is_of_retention_alone(tiny_database):
    ads = ask(tiny_database, model="linear", margin=0.5).rows[0]
    assert ads.cac[:3] == (200, 200, 200)
    assert ads.ltv.low < ads.ltv.value < ads.ltv.high
    assert ads.roi.high / ads.roi.value == pytest.approx(ads.ltv.high / ads.ltv.value)


def test_periods_begin_when_the_calendar_says(tiny_database):
    calendar = Calendar(week_start=7, fiscal_year_start=2)
    weeks = {row.group.start for row in ask(tiny_database, period="week", calendar=calendar).rows}
    assert all(start.isoweekday() == 7 for start in weeks)
    quarters = ask(tiny_database, period="quarter", calendar=calendar).rows
    assert {row.group.start for row in quarters} == {
        date(2025, 11, 1), date(2026, 2, 1), date(2026, 8, 1)
    }  # fmt: skip


@pytest.mark.parametrize("week_start", [1, 4, 7])
@pytest.mark.parametrize("fiscal_year_start", [1, 2, 12])
def test_python_and_sql_agree_on_when_a_period_begins(database_url, week_start, fiscal_year_start):
    calendar = Calendar(week_start, fiscal_year_start)
    days = np.arange("2023-12-25", "2025-03-05", dtype="datetime64[D]")
    for period in PERIODS[:-1]:
        found = execute(
            database_url,
            f"select stream.period_start('{period}', day::date, {week_start}, {fiscal_year_start})"
            " from generate_series('2023-12-25'::date, '2025-03-04', '1 day') as day",
        )
        assert [start for (start,) in found] == calendar.starts(days, period).tolist()


@pytest.mark.slow
def test_marts_keep_to_currency_products_and_calendar(settings: Settings, tiny_database):
    execute(tiny_database, RATES)
    execute(tiny_database, PRODUCTS)
    calendar = Calendar(week_start=7, fiscal_year_start=2)
    own = replace(settings, currency="EUR", calendar=calendar)
    transform(own, tiny_database, margin=0.1)
    compared = check_against_reports(tiny_database, currency="EUR", calendar=calendar, margin=0.1)
    assert compared > 50


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("BIZOPS_CURRENCY", "euro", "BIZOPS_CURRENCY is 'euro'; expected a code of ISO 4217"),
        ("BIZOPS_WEEK_START", "noon", "BIZOPS_WEEK_START is 'noon'; expected one of monday"),
        ("BIZOPS_FISCAL_YEAR_START", "13", "expected a month from 1 to 12"),
    ],
)
def test_a_setting_that_is_none_says_what_would_be(variable, value, message):
    with pytest.raises(UsageError, match=message):
        Settings.from_environment({variable: value})

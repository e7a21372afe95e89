"""The departments' marts, from events of the contract to figures worked out by hand."""

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from bizops.database import opened
from bizops.events import EVENT_TYPES
from streams.records import Record
from streams.store import Store
from warehouse.transform import transform

from .conftest import execute
from .department_events import MADE

pytestmark = pytest.mark.slow

Figure = tuple[str, str, str, str | None, str | None]
"""Metric, breakdown, period, first day, currency."""

EXPECTED: dict[str, dict[Figure, float | None]] = {
    "sales": {
        ("iacv", "", "quarter", "2026-01-01", "USD"): 1200,
        ("iacv", "", "month", "2026-02-01", "EUR"): 0,
        ("arr", "", "month", "2026-02-01", "USD"): 1500,
        ("arr", "", "all", None, "EUR"): 300,
        ("tcv", "", "all", None, "USD"): 2000,
        ("gross_renewal_rate", "", "all", None, "USD"): 0.8,
        ("win_rate", "", "quarter", "2026-01-01", None): 0.5,
        ("stage_win_rate", "demo", "all", None, None): 0.5,
        ("stage_days", "demo", "all", None, None): 14.5,
        ("days_to_close", "", "all", None, None): 9,
        ("open_pipeline", "", "month", "2026-02-01", "USD"): 0,
        ("pipeline_coverage", "", "month", "2026-03-01", "USD"): 4,
        ("pipeline_requirement", "", "month", "2026-03-01", "USD"): 500,
        ("sales_efficiency", "", "all", None, "USD"): 3,
        ("upsell_iacv", "Basic → Pro", "all", None, "USD"): 500,
        ("average_deal_size", "", "all", None, "EUR"): 300,
    },
    "marketing": {
        ("visitors", "", "all", None, None): 1,
        ("mql", "", "all", None, None): 2,
        ("lead_to_mql", "", "all", None, None): 1,
        ("mql_to_sql", "", "all", None, None): 0.5,
        ("sql_to_won", "", "all", None, None): 1,
        ("lead_to_won", "", "all", None, None): 0.5,
        ("blended_cac", "", "all", None, "USD"): 200,
        ("program_spend_share", "", "month", "2026-01-01", "USD"): 0.6,
        ("new_contributors", "", "month", "2026-01-01", None): 1,
        ("downloads", "", "all", None, None): 1,
    },
    "finance": {
        ("order_to_cash_days", "", "all", None, None): 30,
        ("runway_months", "", "quarter", "2026-01-01", "USD"): 12,
        ("rule_of_40", "", "all", None, None): None,
    },
    "people": {
        ("applications", "", "week", "2026-01-05", None): 1,
        ("interviews_per_applicant", "", "all", None, None): 1,
        ("enps", "", "all", None, None): 50,
        ("requirement_score", "sql", "all", None, None): 4,
        ("offers_to_hires", "", "all", None, None): 1,
        ("apply_to_accept_days", "", "all", None, None): 15,
        ("terminations", "voluntary", "all", None, None): 1,
        ("improvement_plan_share", "", "month", "2026-02-01", None): 0.5,
        ("improvement_plan_share", "", "month", "2026-03-01", None): 0,
    },
    "engineering": {
        ("merge_requests", "", "all", None, None): 2,
        ("merge_requests", "community", "all", None, None): 1,
        ("cycle_days", "", "all", None, None): 2,
    },
    "product": {
        ("times_used", "", "all", None, None): 6,
        ("times_used", "search", "all", None, None): 3,
        ("active_accounts", "", "all", None, None): 2,
        ("active_users", "", "all", None, None): 1,
        ("features_per_account", "", "all", None, None): 1.5,
        ("new_feature_iacv", "boards", "all", None, "USD"): 500,
        ("next_feature_share", "1", "all", None, None): 0.5,
        ("ab_lift", "E: on", "all", None, None): 0.11,
    },
}

UNAVAILABLE = {
    "declined_applicant_nps": "no events of type survey (declined_applicant) yet",
    "magic_number": "the events so far make no figure",
    "offer_accept_rate": "no events of type application (declined) yet",
    "picked_fixes": "no events of type merge_request (picked) yet",
    "release_shares": "no events of type touch (share) yet",
    "review_days": "no events of type merge_request (reviewed) yet",
    "rule_of_40": "the events so far make no figure",
}


def store(database_url: str, events: Iterable[dict[str, Any]]) -> None:
    """Events of the contract as the stream stores them."""
    records = [
        Record(EVENT_TYPES[e["type"]].topic, 0, n, 1.7e9 + n, b"k", orjson.dumps(e))
        for n, e in enumerate(events)
    ]
    with opened(database_url) as connection:
        written = Store(connection).write(records)
    assert sum(written.stored.values()) == len(records)


def figures(database_url: str, department: str) -> dict[Figure, float | None]:
    rows = execute(
        database_url,
        f"""
        select metric, breakdown, period, period_start::text, currency, value
        from marts.{department}_metrics
        """,
    )
    return {row[:5]: row[5] for row in rows}


def test_figures_of_departments_are_those_worked_out_by_hand(settings, database_url):
    store(database_url, MADE)
    transform(settings, database_url, unit_tests=True)
    for department, expected in EXPECTED.items():
        found = figures(database_url, department)
        assert {key: found.get(key, "no row") for key in expected} == pytest.approx(expected)
    check_targets(database_url)
    check_availability(database_url)
    check_lift(database_url)


def check_targets(database_url: str) -> None:
    """One of the period itself stands before the dictionary's, and each currency has its own."""
    rows = execute(
        database_url,
        """
        select metric, period, period_start::text, target, meets_target from marts.sales_metrics
        where breakdown = '' and target is not null and period in ('month', 'quarter')
            and metric in ('iacv', 'win_rate', 'pipeline_coverage')
        order by 1, 2, 3
        """,
    )
    assert rows == [
        ("iacv", "month", "2026-02-01", 400, True),
        ("pipeline_coverage", "month", "2026-01-01", 3, False),
        ("pipeline_coverage", "month", "2026-02-01", 3, None),
        ("pipeline_coverage", "month", "2026-03-01", 3, True),
        ("pipeline_coverage", "quarter", "2026-01-01", 3, None),
        ("win_rate", "quarter", "2026-01-01", 0.6, False),
    ]


def check_availability(database_url: str) -> None:
    query = "select metric, reason from marts.metric_availability where not is_available"
    assert dict(execute(database_url, query)) == UNAVAILABLE
    without = "select value from marts.product_metrics where metric = 'release_shares'"
    assert execute(database_url, without) == [(None,)]


def check_lift(database_url: str) -> None:
    query = """
        select value_low, value_high from marts.product_metrics
        where metric = 'ab_lift' and period = 'all'
    """
    assert execute(database_url, query) == [(0.008485591, 0.208711368)]


def test_without_events_every_metric_says_what_never_came(settings, database_url):
    transform(settings, database_url)
    reasons = dict(execute(database_url, "select metric, reason from marts.metric_availability"))
    assert reasons["iacv"] == "no events of type revenue yet"
    assert reasons["order_to_cash_days"] == "no events of type invoice, payment yet"
    assert all(reasons.values())
    known = "select count(*), count(value) from marts.finance_metrics"
    assert execute(database_url, known) == [(5, 0)]

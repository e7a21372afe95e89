import math
import signal
import subprocess

import pytest

import warehouse.transform
from bizops.calendar import PERIODS
from bizops.database import opened
from bizops.errors import ServiceError, UsageError
from warehouse.question import Question
from warehouse.report import report
from warehouse.schema import downgrade
from warehouse.transform import PROJECT, transform

from .conftest import CREDITED_SINCE, execute

pytestmark = pytest.mark.slow


def project_files() -> set[str]:
    return {str(path) for path in PROJECT.rglob("*")}


def test_marts_say_what_the_report_says(settings, tiny_database):
    before = project_files()
    built = transform(settings, tiny_database, unit_tests=True)
    assert set(built.rows) == {
        "account_timeline", "campaign_performance", "channel_performance", "sales_metrics",
        "marketing_metrics", "finance_metrics", "people_metrics", "engineering_metrics",
        "product_metrics", "metric_availability", "organization_performance", "lead_performance",
        "collateral_performance",
    }  # fmt: skip
    assert execute(tiny_database, "select count(*) from marts.account_timeline") == [(4 + 1 + 6,)]
    assert project_files() == before  # nothing is written beside the code
    assert check_against_reports(tiny_database) > 50
    check_timeline(tiny_database)
    check_other_models(tiny_database)


def test_marts_add_up_with_what_was_credited_since(settings, tiny_database):
    """dbt's own tests say whether they do."""
    execute(
        tiny_database,
        """
        insert into stream.revenue (event_id, source, received_at, content_hash, occurred_at,
            day_only, account_id, kind, iacv, currency, properties)
        values ('r7', 'test', now(), '', '2027-02-01Z', false, 'acme', 'expansion', 90, 'USD', '{}')
        """
        f";{CREDITED_SINCE}",
    )
    transform(settings, tiny_database)
    marked = """
        select event_id, provisional from marts.account_timeline
        where event_id in ('r1', 'r7') order by 1
    """
    assert execute(tiny_database, marked) == [("r1", False), ("r7", True)]
    check_against_reports(tiny_database)


def check_against_reports(database_url: str, **question) -> int:
    """Every figure of the marts is that of a report; how many rows were compared."""
    compared = 0
    for by, mart in (("campaign", "campaign_performance"), ("channel", "channel_performance")):
        for period in PERIODS:
            for model in ("bayesian", "linear"):
                asked = Question(by=by, period=period, model=model, **question)
                found = performance(database_url, mart, asked)
                assert same(found, reported(database_url, asked)), (mart, period, model)
                compared += len(found)
    return compared


def reported(database_url: str, question: Question) -> dict:
    with opened(database_url) as connection:
        rows = report(connection, question).rows
    nothing = (None,) * 3
    return {
        row.group[:3]: (
            row.touches,
            row.leads,
            row.attributed_leads,
            row.spend,
            row.cost_per_lead,
            *(row.attributed_conversions or nothing)[:3],
            *(row.attributed_iacv or nothing)[:3],
            row.median_conversion_days,
            row.iacv_at_median_conversion_time,
            row.estimated_iacv,
            *(row.cac or nothing),
            *(row.ltv or nothing),
            *(row.roi or nothing),
        )
        for row in rows
    }


def performance(database_url: str, mart: str, asked: Question) -> dict:
    campaign = "campaign_id" if mart == "campaign_performance" else "''"
    rows = execute(
        database_url,
        f"""
        select channel, {campaign}, period_start, touches, leads, attributed_leads, spend::float8,
            cost_per_lead, attributed_conversions_mean, attributed_conversions_low,
            attributed_conversions_high, attributed_iacv_mean, attributed_iacv_low,
            attributed_iacv_high, median_conversion_days, iacv_at_median_conversion_time,
            estimated_iacv, cac, cac_low, cac_high, ltv, ltv_low, ltv_high, roi, roi_low, roi_high
        from marts.{mart}
        where model = '{asked.model}' and period = '{asked.period}'
            and currency = '{asked.currency or "USD"}'
        """,
    )
    return {row[:3]: row[3:] for row in rows}


def same(found: dict, expected: dict) -> bool:
    assert found.keys() == expected.keys()
    for key, figures in found.items():
        for one, other in zip(figures, expected[key], strict=True):
            if one is None or other is None:
                assert one is other, (key, figures, expected[key])
            else:
                close = math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-4)
                assert close, (key, figures, expected[key])
    return True


def check_timeline(database_url: str) -> None:
    acme = """
        select position, event_id, event_type, kind, credit_share, credited_iacv, currency,
            account_name
        from marts.account_timeline where account_id = 'acme' order by position
    """
    assert execute(database_url, acme) == [
        (1, "t1", "touch", None, 0.25, 250.0, "USD", "Acme"),
        (2, "t2", "touch", None, 1.0, 600.0, "USD", "Acme"),
        (3, "o1", "opportunity", "demo", None, None, None, "Acme"),
        (4, "r1", "revenue", "new", None, None, "USD", "Acme"),
        (5, "r3", "revenue", "expansion", None, None, "USD", "Acme"),
    ]


def check_other_models(database_url: str) -> None:
    """A model without credit in the run has spend and touches, and no baseline of its own."""
    decay = performance(database_url, "channel_performance", Question(model="time_decay"))
    assert decay["ads", "", None] == (2, 2, None, 400.0, None, *(None,) * 18)
    assert decay["(baseline)", "", None] == (None,) * 23


def test_before_the_first_run_credit_is_null(settings, unattributed_database):
    transform(settings, unattributed_database, select=("+channel_performance",))
    found = performance(unattributed_database, "channel_performance", Question())
    assert found == {
        ("ads", "", None): (2, 2, None, 400.0, None, *(None,) * 18),
        ("email", "", None): (2, 2, None, 100.0, None, *(None,) * 18),
        ("web", "", None): (1, 0, None, None, None, *(None,) * 18),
    }


def test_credit_that_does_not_add_up_fails_by_name(settings, tiny_database):
    execute(tiny_database, "delete from attribution.credit where channel = 'ads'")
    with pytest.raises(ServiceError, match=r"test channel_iacv_adds_up failed: .*dbt\.log"):
        transform(settings, tiny_database, select=("+channel_performance",))


def test_nothing_selected_says_what_there_is(settings, database_url):
    with pytest.raises(UsageError, match="'nope'; marts are account_timeline, campaign"):
        transform(settings, database_url, select=("nope",))


def test_dbt_ends_with_who_started_it(settings, database_url, monkeypatch):
    """It would go on without the lock."""
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            started.append(self)

    def interrupted(*_arguments, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.setattr(warehouse.transform, "sum_credit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        transform(settings, database_url)
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_an_unmigrated_database_is_told_to_migrate(settings, database_url):
    downgrade(database_url)
    with pytest.raises(ServiceError, match="bizops migrate"):
        transform(settings, database_url)

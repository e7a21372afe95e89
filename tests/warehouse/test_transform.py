import math

import pytest

from bizops.database import opened
from bizops.errors import ServiceError, UsageError
from warehouse.question import PERIODS, Question
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
        "product_metrics", "metric_availability",
    }  # fmt: skip
    assert built.rows["account_timeline"] == 4 + 1 + 6
    assert project_files() == before  # nothing is written beside the code
    compared = 0
    for by, mart in (("campaign", "campaign_performance"), ("channel", "channel_performance")):
        for period in PERIODS:
            for model in ("bayesian", "linear"):
                expected = reported(tiny_database, Question(by=by, period=period, model=model))
                found = performance(tiny_database, mart, model=model, period=period)
                assert same(found, expected), (mart, period, model)
                compared += len(found)
    assert compared > 50
    check_summary(tiny_database)
    check_timeline(tiny_database)
    check_other_models(tiny_database)


def test_marts_add_up_before_sums_hold_what_was_credited_since(settings, tiny_database):
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
    marked = """
        select event_id, provisional from marts.account_timeline
        where event_id in ('r1', 'r7') order by 1
    """
    transform(settings, tiny_database)
    assert execute(tiny_database, marked) == [("r1", False), ("r7", None)]
    execute(tiny_database, "update attribution.conversions set in_sums = true")
    with pytest.raises(ServiceError, match="adds_up"):  # which sums do not: the test can fail
        transform(settings, tiny_database)
    transform(settings, tiny_database, select=("account_timeline",))
    assert execute(tiny_database, marked) == [("r1", False), ("r7", True)]


def reported(database_url: str, question: Question) -> dict:
    with opened(database_url) as connection:
        rows = report(connection, question).rows
    return {
        row.group[:3]: (
            row.touches,
            row.leads,
            row.attributed_leads,
            row.spend,
            row.cost_per_lead,
            *(row.attributed_conversions or (None,) * 3)[:3],
            *(row.attributed_iacv or (None,) * 3)[:3],
        )
        for row in rows
    }


def performance(database_url: str, mart: str, *, model: str, period: str) -> dict:
    campaign = "campaign_id" if mart == "campaign_performance" else "''"
    rows = execute(
        database_url,
        f"""
        select channel, {campaign}, period_start, touches, leads, attributed_leads, spend::float8,
            cost_per_lead, attributed_conversions_mean, attributed_conversions_low,
            attributed_conversions_high, attributed_iacv_mean, attributed_iacv_low,
            attributed_iacv_high
        from marts.{mart}
        where model = '{model}' and period = '{period}' and currency = 'USD'
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


def check_summary(database_url: str) -> None:
    differing = """
        select * from attribution.credit_summary s
        left join marts.campaign_performance p
            on p.model = s.model and p.period = s.period and p.channel = s.channel
            and p.campaign_id = s.campaign_id
            and p.period_start is not distinct from s.period_start
        where s.dimension = 'campaign' and s.channel <> '(baseline)'
            and abs(p.attributed_iacv_mean - s.iacv_mean) < 1e-9 is not true
    """
    assert execute(database_url, differing) == []


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
    decay = performance(database_url, "channel_performance", model="time_decay", period="all")
    assert decay["ads", "", None] == (2, 2, None, 400.0, None, *(None,) * 6)
    assert decay["(baseline)", "", None][-3:] == (None, None, None)


def test_before_the_first_run_credit_is_null(settings, unattributed_database):
    transform(settings, unattributed_database, select=("+channel_performance",))
    found = performance(
        unattributed_database, "channel_performance", model="bayesian", period="all"
    )
    assert found == {
        ("ads", "", None): (2, 2, None, 400.0, None, *(None,) * 6),
        ("email", "", None): (2, 2, None, 100.0, None, *(None,) * 6),
        ("web", "", None): (1, 0, None, None, None, *(None,) * 6),
    }


def test_credit_that_does_not_add_up_fails_by_name(settings, tiny_database):
    execute(tiny_database, "delete from attribution.credit_summary where channel = 'ads'")
    with pytest.raises(ServiceError, match=r"test channel_iacv_adds_up failed: .*dbt\.log"):
        transform(settings, tiny_database, select=("+channel_performance",))


def test_nothing_selected_says_what_there_is(settings, database_url):
    with pytest.raises(UsageError, match="'nope'; marts are account_timeline, campaign"):
        transform(settings, database_url, select=("nope",))


def test_an_unmigrated_database_is_told_to_migrate(settings, database_url):
    downgrade(database_url)
    with pytest.raises(ServiceError, match="bizops migrate"):
        transform(settings, database_url)

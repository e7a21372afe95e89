import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from bizops.cli import app
from bizops.database import opened
from bizops.errors import ServiceError, UsageError
from warehouse.data_checks import CHECKS, Example, Finding, Verdict, check_data
from warehouse.roles import make_roles
from warehouse.schema import downgrade

from .conftest import execute

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
NAMES = [check.name for check in CHECKS]

IN_TIME = "update stream.accounts set received_at = occurred_at;"
MENDED = f"""
{IN_TIME}
update stream.accounts set segment = 'large';
insert into stream.accounts (event_id, source, received_at, content_hash, occurred_at, day_only,
    account_id, segment)
values ('a4', 'test', '2026-01-01Z', '', '2026-01-01Z', false, 'coda', 'small');
insert into stream.campaigns (event_id, source, received_at, content_hash, occurred_at, day_only,
    campaign_id)
values ('c2', 'test', '2026-01-01Z', '', '2026-01-01Z', false, 'spring');
update stream.touches set account_id = 'coda' where event_id = 't5';
insert into stream.products (event_id, source, received_at, content_hash, kafka_offset, date,
    margin)
values ('p1', 'test', '2026-01-01Z', '', 1, '2026-01-01', 0.8);
"""
"""After that nothing is wrong with the three accounts."""


def touch(event_id: str, at: str, *, source: str = "test", account: str | None = None,
          received: str | None = None, day_only: bool = False) -> str:  # fmt: skip
    named = "null" if account is None else f"'{account}'"
    return f"""
        insert into stream.touches (event_id, source, received_at, content_hash, occurred_at,
            day_only, channel, campaign_id, account_id, properties)
        values ('{event_id}', '{source}', '{received or at}', '', '{at}', {day_only}, 'web',
            '(none)', {named}, '{{}}');
    """


def won(event_id: str, at: str, account: str, iacv: int, *, day_only: bool = False) -> str:
    return f"""
        insert into stream.revenue (event_id, source, received_at, content_hash, occurred_at,
            day_only, account_id, kind, iacv, currency, properties)
        values ('{event_id}', 'test', '{at}', '', '{at}', {day_only}, '{account}', 'new', {iacv},
            'USD', '{{}}');
    """


def rate(currency: str, to: str, since: str) -> str:
    return f"""
        insert into stream.exchange_rates (event_id, source, received_at, content_hash,
            kafka_offset, date, currency, to_currency, rate)
        values ('{currency}{to}', 'test', '{since}', '', 1, '{since}', '{currency}', '{to}', 2);
    """


WITHOUT_TOUCHES = won("r8", "2026-01-20Z", "coda", 100) + won("r9", "2026-02-20Z", "coda", 300)
"""With them the IACV of all conversions is 2,100."""


def found(database_url: str, *, now: datetime = NOW, currency: str | None = None) -> dict:
    with opened(database_url) as connection:
        findings = check_data(connection, now=now, currency=currency).findings
    return {finding.check.name: finding for finding in findings}


def figures(finding: Finding) -> tuple[int, int, float]:
    """Count, IACV in doubt, and its share; all amounts here are in USD."""
    (one,) = finding.iacv
    return finding.count, int(one.iacv), one.share


def test_the_three_accounts(unattributed_database):
    checks = found(unattributed_database)
    assert list(checks) == [name for name in NAMES if name != "currencies_without_rate"]
    counts = {name: finding.count for name, finding in checks.items() if finding.count}
    assert counts == {
        "spend_without_campaign": 1,
        "touches_without_accounts": 1,
        "accounts_without_segment": 3,
        "clock_skew": 1,
        "products_without_margin": 1,
    }
    spring = checks["spend_without_campaign"]
    assert spring.examples == (Example("spring", None, "spend in ads: 400 USD"),)
    assert spring.spend == {"USD": Decimal(400)}
    assert spring.verdict is Verdict.NOTE
    # t5 came before no conversion that has no touch
    assert figures(checks["touches_without_accounts"]) == (1, 0, 0)
    assert checks["touches_without_accounts"].examples[0].detail == "in web: 1 of 1"
    assert figures(checks["accounts_without_segment"]) == (3, 1700, 1)
    assert checks["accounts_without_segment"].verdict is Verdict.DOUBT
    assert checks["accounts_without_segment"].examples == (
        Example("acme", "Acme", "conversions: 2, touches: 2"),
        Example("bolt", "Bolt", "conversions: 1, touches: 2"),
        Example("coda", None, "conversions: 0, touches: 0"),
    )
    # a2 is of the day after it came
    assert figures(checks["clock_skew"]) == (1, 0, 0)
    assert checks["clock_skew"].examples == (
        Example("test", "account", "1 of 3, ahead by up to 1 day"),
    )
    assert figures(checks["products_without_margin"]) == (1, 1700, 1)
    assert checks["products_without_margin"].examples == (
        Example("(none)", None, "conversions: 3, from 2026-01-11 to 2026-03-01"),
    )


def test_nothing_is_wrong(unattributed_database):
    execute(unattributed_database, MENDED + rate("EUR", "USD", "2026-01-01"))
    checks = found(unattributed_database, currency="USD")
    assert list(checks) == NAMES
    assert {finding.verdict for finding in checks.values()} == {Verdict.OK}


def test_nothing_is_wrong_with_an_empty_database(database_url):
    assert {finding.count for finding in found(database_url, currency="USD").values()} == {0}


def test_campaigns_without_spend(unattributed_database):
    execute(unattributed_database, "delete from stream.spend where campaign_id = 'spring'")
    finding = found(unattributed_database)["campaigns_without_spend"]
    assert figures(finding) == (1, 1200, 1200 / 1700)  # acme was touched on 6 January: r1 and r3
    assert finding.examples == (Example("spring", None, "touches in ads: 1"),)
    free = """
        insert into stream.spend (event_id, source, received_at, content_hash, kafka_offset, date,
            campaign_id, channel, amount, currency)
        values ('s9', 'test', now(), '', 9, '2026-01-05', 'spring', '{}', 0, 'USD')
    """
    execute(unattributed_database, free.format("search"))  # spend of another channel's campaign
    assert found(unattributed_database)["campaigns_without_spend"].count == 1
    execute(unattributed_database, free.format("ads").replace("s9", "s10"))
    assert found(unattributed_database)["campaigns_without_spend"].count == 0


def test_spend_without_touches(unattributed_database):
    execute(
        unattributed_database,
        WITHOUT_TOUCHES
        + """
        insert into stream.spend (event_id, source, received_at, content_hash, kafka_offset, date,
            campaign_id, channel, amount, currency)
        values
            ('s8', 'test', now(), '', 8, '2026-02-01', 'welcome', 'tv', 70, 'USD'),
            ('s9', 'test', now(), '', 9, '2026-02-02', 'welcome', 'tv', 50, 'EUR')
        """,
    )
    finding = found(unattributed_database)["spend_without_touches"]
    assert figures(finding) == (1, 300, 300 / 2100)  # r8 was before the spend
    assert finding.examples == (Example("welcome", "Welcome mails", "spend in tv: 50 EUR, 70 USD"),)
    assert finding.spend == {"EUR": Decimal(50), "USD": Decimal(70)}


def test_conversions_without_touches_may_be_those_of_nobody(unattributed_database):
    execute(unattributed_database, WITHOUT_TOUCHES)
    checks = found(unattributed_database)
    assert figures(checks["revenue_without_touches"]) == (2, 400, 400 / 2100)
    assert checks["revenue_without_touches"].examples[0] == Example(
        "r9", None, "coda on 2026-02-20: 300 USD"
    )
    # of the two only r9 came after t5
    assert figures(checks["touches_without_accounts"]) == (1, 300, 300 / 2100)


def test_a_touch_on_the_day_of_a_conversion_is_before_it_if_only_the_day_is_known(
    unattributed_database,
):
    execute(
        unattributed_database,
        touch("t6", "2026-02-20T15:00Z", account="dune")
        + touch("t7", "2026-02-20T15:00Z", account="elm")
        + won("r8", "2026-02-20Z", "dune", 100, day_only=True)
        + won("r9", "2026-02-20Z", "elm", 100),
    )
    finding = found(unattributed_database)["revenue_without_touches"]
    assert [one.id for one in finding.examples] == ["r9"]


def test_a_source_that_fell_silent(unattributed_database):
    """Every second day, and then no more: usual are two days, and three times that is six."""
    days = [f"2026-01-{day:02}T12:00Z" for day in (1, 3, 5, 7, 9, 11)]
    execute(
        unattributed_database,
        "".join(touch(f"w{n}", day, source="site", account="acme") for n, day in enumerate(days)),
    )

    def silent(now: datetime) -> Finding:
        return found(unattributed_database, now=now)["stale_sources"]

    assert silent(datetime(2026, 1, 17, 23, tzinfo=UTC)).verdict is Verdict.OK
    assert silent(datetime(2026, 1, 18, tzinfo=UTC)).count == 1
    assert silent(datetime(2027, 1, 11, tzinfo=UTC)).count == 1
    assert silent(datetime(2027, 1, 12, tzinfo=UTC)).count == 0  # ended, a year and more ago
    finding = silent(NOW)
    assert finding.verdict is Verdict.DOUBT
    assert figures(finding) == (1, 700, 700 / 1700)  # r1 was before the last of them
    assert finding.examples == (Example("site", "touch", "days silent: 53, usual: up to 2"),)
    execute(unattributed_database, "delete from stream.touches where event_id = 'w2'")
    assert silent(NOW).count == 0  # five days are too few to say what is usual


def test_one_long_pause_of_many_does_not_make_silence_usual(unattributed_database):
    execute(
        unattributed_database,
        """
        insert into stream.spend (event_id, source, received_at, content_hash, kafka_offset, date,
            campaign_id, channel, amount, currency)
        select 'd' || n, 'ads', '2026-02-01', '', 100 + n,
            date '2025-10-01' + n + case when n > 40 then 60 else 0 end,
            'spring', 'ads', 1, 'USD'
        from generate_series(1, 60) n
        """,
    )
    last = datetime(2026, 1, 29, tzinfo=UTC)  # of 60 days one by one, with a pause of 60
    finding = found(unattributed_database, now=last.replace(month=2, day=1))["stale_sources"]
    assert finding.count == 0
    finding = found(unattributed_database, now=last.replace(month=2, day=2))["stale_sources"]
    assert finding.examples == (Example("ads", "spend", "days silent: 4, usual: up to 1"),)
    assert figures(finding) == (1, 0, 0)  # what is credited is that of touches


def test_touches_of_a_clock_that_is_ahead(unattributed_database):
    box = {"source": "box"}
    execute(
        unattributed_database,
        IN_TIME
        + touch("t6", "2026-01-11T00:08Z", received="2026-01-10T23:58Z", account="acme", **box)
        + touch("t7", "2026-02-11T01:00Z", received="2026-02-11T00:56Z", account="bolt", **box)
        + touch("t8", "2026-01-12Z", received="2026-01-11T11:00Z", account="acme", day_only=True),
    )
    finding = found(unattributed_database)["clock_skew"]
    # t6 is 10 minutes ahead and 8 after r1; t7 an hour after r2, 4 minutes ahead
    assert figures(finding) == (1, 1000, 1000 / 1700)
    assert finding.examples == (Example("box", "touch", "1 of 2, ahead by up to 00:10:00"),)


def test_a_wrong_date_is_no_clock(unattributed_database):
    wrong = touch("t6", "2026-01-12Z", received="2026-01-01Z", account="acme")
    execute(unattributed_database, IN_TIME + wrong)
    finding = found(unattributed_database)["clock_skew"]
    assert figures(finding) == (1, 0, 0)
    assert finding.verdict is Verdict.NOTE


def test_a_conversion_from_the_future(unattributed_database):
    execute(unattributed_database, IN_TIME)
    ahead = "update stream.revenue set received_at = occurred_at - interval '1 hour'"
    execute(unattributed_database, f"{ahead} where event_id = 'r2'")
    finding = found(unattributed_database)["clock_skew"]
    assert figures(finding) == (1, 500, 500 / 1700)
    assert finding.examples == (Example("test", "revenue", "1 of 6, ahead by up to 01:00:00"),)


@pytest.mark.parametrize(
    ("currency", "rates", "detail", "iacv", "spend"),
    [
        ("USD", "", None, 0, {}),
        ("EUR", "", "amounts: 8, from 2026-01-05 to 2026-08-11", 1700, {"USD": Decimal(500)}),
        ("EUR", rate("USD", "EUR", "2026-02-01"), "amounts: 3, from 2026-01-05 to 2026-01-15",
         1000, {"USD": Decimal(400)}),
        ("EUR", rate("EUR", "USD", "2026-01-01"), None, 0, {}),
        ("EUR", rate("USD", "GBP", "2026-01-01") + rate("EUR", "GBP", "2025-01-01"), None, 0, {}),
        ("EUR", rate("USD", "GBP", "2026-01-01"), "amounts: 8, from 2026-01-05 to 2026-08-11",
         1700, {"USD": Decimal(500)}),
    ],
    ids=["its own", "none", "from February", "turned around", "by way of GBP", "half the way"],
)  # fmt: skip
def test_amounts_without_an_exchange_rate(
    unattributed_database, currency, rates, detail, iacv, spend
):
    execute(unattributed_database, rates or "select 1")
    finding = found(unattributed_database, currency=currency)["currencies_without_rate"]
    assert [one.detail for one in finding.examples] == ([detail] if detail else [])
    assert figures(finding) == (1 if detail else 0, iacv, iacv / 1700)
    assert finding.spend == spend


def test_products_without_margin(unattributed_database):
    told = """
        insert into stream.products (event_id, source, received_at, content_hash, kafka_offset,
            date, product, margin, retention_years)
        values ('p{0}', 'test', now(), '', {0}, '2026-02-01', {1}, {2}, 3)
    """
    execute(unattributed_database, "update stream.revenue set product = 'core'")
    execute(unattributed_database, told.format(1, "'core'", "null"))
    assert figures(found(unattributed_database)["products_without_margin"]) == (1, 1700, 1)
    execute(unattributed_database, told.format(2, "'other'", "0.8"))
    assert found(unattributed_database)["products_without_margin"].count == 1
    execute(unattributed_database, told.format(3, "'core'", "0.8"))
    finding = found(unattributed_database)["products_without_margin"]
    assert figures(finding) == (1, 1000, 1000 / 1700)  # r1, which was before February
    assert finding.examples == (
        Example("core", None, "conversions: 1, from 2026-01-11 to 2026-01-11"),
    )


@pytest.mark.parametrize(
    ("role", "unread"),
    [
        ("bizops_transform", {"identity", "lead_status", "usage"}),
        ("bizops_report", {"identity", "lead_status", "usage", "opportunity", "invoice"}),
    ],
)
def test_roles_that_see_no_person_may_look(unattributed_database, role, unread):
    with opened(unattributed_database) as connection:
        make_roles(connection)
    expected = found(unattributed_database)
    with opened(unattributed_database) as connection:
        connection.cursor().execute(f"set role {role}")
        report = check_data(connection, now=NOW)
    assert {finding.check.name: finding for finding in report.findings} == expected
    sentence = report.left_out[0].removeprefix("This role may not read when these came: ")
    assert unread <= set(sentence.rstrip(".").split(", "))


def test_another_role_is_told_which_it_takes(unattributed_database):
    with opened(unattributed_database) as connection:
        make_roles(connection)
    with opened(unattributed_database) as connection:
        connection.cursor().execute("set role bizops_stream")
        with pytest.raises(ServiceError, match="need the rights of bizops_transform or bizops_rep"):
            check_data(connection, now=NOW)
        connection.rollback()


@pytest.fixture
def doctor(settings, unattributed_database, monkeypatch):
    monkeypatch.setenv("BIZOPS_DATABASE_URL", unattributed_database)
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))

    def run(*arguments: str):
        return CliRunner().invoke(app, ["doctor", "--data", *arguments])

    return run


def test_the_command_fails_where_figures_are_in_doubt(doctor, unattributed_database):
    done = doctor()
    assert done.exit_code == 1
    assert "doubt  accounts_without_segment" in done.stdout
    assert "100.0%" in done.stdout
    assert "Publish account events with a segment." in done.stdout
    assert "no reporting currency is set (BIZOPS_CURRENCY)" in done.stdout
    table, _, _ = done.stdout.partition("\n\n")
    assert max(map(len, table.splitlines())) <= 120
    execute(unattributed_database, MENDED)
    done = doctor()
    assert done.exit_code == 0
    assert "doubt" not in done.stdout.replace("IACV in doubt", "")


def test_the_command_as_json(doctor, monkeypatch):
    monkeypatch.setenv("BIZOPS_CURRENCY", "EUR")
    done = doctor("--format", "json")
    said = json.loads(done.stdout)
    assert said["ok"] is False
    assert [check["name"] for check in said["checks"]] == NAMES
    rates = next(one for one in said["checks"] if one["name"] == "currencies_without_rate")
    assert rates["verdict"] == "doubt"
    assert rates["iacv"] == [{"currency": "USD", "iacv": "1700", "share": 1.0}]
    assert rates["spend"] == {"USD": "500"}
    assert rates["examples"][0]["id"] == "USD"


def test_what_does_not_fit_is_one_sentence(doctor, unattributed_database):
    done = doctor("--currency", "euro")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "no currency 'euro'; expected a code of ISO 4217, such as EUR"
    downgrade(unattributed_database)
    done = doctor()
    assert isinstance(done.exception, ServiceError)
    assert "no schema yet: make it with `bizops migrate`" in str(done.exception)

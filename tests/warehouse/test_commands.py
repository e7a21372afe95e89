import json
import re

import pytest
from typer.testing import CliRunner

from bizops.cli import app
from bizops.errors import BizopsError


@pytest.fixture
def bizops(settings, tiny_database, monkeypatch):
    monkeypatch.setenv("BIZOPS_KAFKA", settings.kafka)
    monkeypatch.setenv("BIZOPS_DATABASE_URL", tiny_database)
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))

    def run(*arguments: str) -> tuple[str, str]:
        result = CliRunner().invoke(app, arguments)
        if isinstance(result.exception, BizopsError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout, result.stderr

    return run


@pytest.mark.parametrize("command", ["migrate", "transform", "report"])
def test_help_has_an_example(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: bizops {command}" in " ".join(result.stdout.split())


def test_report_as_json(bizops):
    out, err = bizops("report", "--by", "channel", "--format", "json", "--margin", "0.8")
    assert [row["channel"] for row in json.loads(out)] == ["ads", "email", "web", "(baseline)"]
    assert "run run-1" in err


def test_report_reads_the_margin_from_the_environment(bizops, monkeypatch):
    monkeypatch.setenv("BIZOPS_MARGIN", "0.8")
    out, _ = bizops("report", "--by", "channel", "--format", "json")
    assert json.loads(out)[0]["ltv"] > 0


def test_report_between_two_days_as_csv(bizops):
    arguments = ("--from", "2026-01-11", "--to", "2026-02-11", "--model", "linear")
    out, _ = bizops("report", "--by", "campaign", "--format", "csv", *arguments)
    assert out.startswith("channel,campaign_id,period_start,touches,")


def test_report_as_a_table(bizops):
    out, _ = bizops("report", "--by", "account", "--period", "quarter")
    assert "Acme" in out
    assert max(map(len, out.splitlines())) <= 160


def test_the_run_s_own_lookback_takes_the_run_s_credit(bizops):
    arguments = ("report", "--by", "channel", "--model", "linear", "--format", "json")
    assert bizops(*arguments, "--lookback", "90") == bizops(*arguments)


def test_another_lookback_is_worked_out_anew(bizops):
    out, _ = bizops(
        *("report", "--by", "channel", "--model", "linear", "--format", "json", "--lookback", "8")
    )
    iacv = {row["channel"]: row["attributed_iacv"]["mean"] for row in json.loads(out)}
    # only t2 is within 8 days of a conversion: 5 before r1, whose 1,000 it gets alone
    assert iacv == {"ads": 1000, "email": 0, "web": 0, "(baseline)": 700 - 550}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "leads"), "no report by 'leads'; have channel, campaign, account, lead"),
        (("--by", "channel", "--format", "xml"), "no format 'xml'; have table, json, csv"),
        (("--by", "channel", "--lookback", "30"), "--lookback is for rules"),
        (("--by", "channel", "--model", "all", "--lookback", "30"), "for one rule at a time"),
        (("--by", "channel", "--model", "linear", "--lookback", "0"), "expected days, above 0"),
    ],
)
def test_what_does_not_fit_is_one_sentence(bizops, arguments, message):
    with pytest.raises(BizopsError, match=message):
        bizops("report", *arguments)


def test_migrate_says_where_the_schema_is(bizops):
    assert re.fullmatch(r"Already at revision \d{4}\.\n", bizops("migrate")[0])

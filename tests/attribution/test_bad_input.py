"""Odd data and lost databases, through the commands: a clear result or a clear error each.

Whatever happens, what is published is whole, and nothing is published half.
"""

import json
import sys

import psycopg2
import pytest

from attribution import fit, publish
from attribution.fit import Options, attribute
from bizops import cli
from bizops.database import opened

from .conftest import Story, insert, query
from .worlds import make_world, plausible

pytestmark = pytest.mark.slow

PUBLISHED = "select run_id from attribution.published_run"
STATUSES = "select status, error from attribution.runs order by started_at, run_id"
RESULTS = (
    "conversions", "credit", "credit_draws", "incremental_draws", "lead_credit", "credit_totals",
    "posterior_draws", "removal_effects",
)  # fmt: skip


@pytest.fixture
def bizops(settings, monkeypatch, capsys):
    """The command as a shell has it: exit code, standard output, standard error."""
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", settings.database_url)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bizops", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture(params=["attribute --rules-only", "retrain"])
def made(request, bizops):
    """A run without the model, and one under every gate: exit code, run as JSON, what was said."""

    def run():
        code, out, said = bizops(*request.param.split(), "--draws", "500", "--format", "json")
        return code, json.loads(out) if out else None, said

    run.has_model = "--rules-only" not in request.param
    return run


def assert_whole(url, conversions):
    """The published run credits each of these conversions wholly, in each model, once."""
    ((run_id, settings),) = query(url, "select run_id, settings from attribution.published_run")
    found = query(url, "select conversion_id from attribution.conversions where run_id = %s"
                  " order by 1", run_id)  # fmt: skip
    assert [id_ for (id_,) in found] == sorted(conversions)
    models = {*settings["rules"], *([] if settings["rules_only"] else ["bayesian"])}
    sums = query(
        url,
        "select model, conversion_id, sum(share), min(share) from attribution.credit"
        " where run_id = %s group by 1, 2",
        run_id,
    )
    assert {(model, id_) for model, id_, *_ in sums} == {
        (m, c) for m in models for c in conversions
    }
    for *_, total, least in sums:
        assert total == pytest.approx(1, abs=1e-9)
        assert least >= 0
    for model, total in query(
        url,
        "select model, sum(conversions_mean) from attribution.credit_totals"
        " where run_id = %s and dimension = 'campaign' group by 1",
        run_id,
    ):
        assert total == pytest.approx(len(conversions), abs=1e-6), model
    assert query(
        url,
        "select count(*) from attribution.credit join attribution.conversions"
        " using (run_id, conversion_id) where touched_at > occurred_at"
        " and not conversions.day_only",
    ) == [(0,)]


# What happened, the conversions that credit is given for, and the credit of last touch by channel.
ODD = {
    "no conversions": (Story().touch("acme", "2026-01-01"), [], {}),
    "no touches": (Story().sale("acme", "2026-01-05"), ["r0000"], {"(baseline)": 1}),
    "touches only after conversions": (
        Story().sale("acme", "2026-01-05").touch("acme", "2026-02-01").touch("acme", "2026-03-01"),
        ["r0000"],
        {"(baseline)": 1},
    ),
    "one conversion, one campaign": (
        Story().touch("acme", "2026-01-01").touch("bolt", "2026-01-03").sale("acme", "2026-01-05"),
        ["r0000"],
        {"ads": 1},
    ),
    "one account, all at one time": (
        Story()
        .touch("acme", "2026-01-05T10:00", "ads", "a")
        .touch("acme", "2026-01-05T10:00", "mail", "b")
        .sale("acme", "2026-01-05T10:00")
        .sale("acme", "2026-01-05T10:00", "expansion"),
        ["r0000", "r0001"],
        {"mail": 2},
    ),
    "only amounts of zero or less": (
        Story()
        .touch("acme", "2026-01-01")
        .sale("acme", "2026-01-05", "new", "0.00")
        .sale("acme", "2026-02-05", "contraction", "-500.00")
        .sale("acme", "2026-03-05", "renewal", "0.00")
        .sale("acme", "2026-04-05", "churn", "-700.00")
        .sale("bolt", "2026-04-05", "expansion", "-5.00"),
        [],
        {},
    ),
    "amounts of all signs": (
        Story()
        .touch("acme", "2026-01-01")
        .sale("acme", "2026-01-05", "new", "1000.00")
        .sale("acme", "2026-02-05", "contraction", "-500.00")
        .sale("acme", "2026-03-05", "churn", "-500.00")
        .touch("acme", "2026-04-01")
        .sale("acme", "2026-04-05", "new", "0.00")
        .sale("acme", "2026-04-06", "expansion", "10.00")
        .touch("bolt", "2026-04-07"),
        ["r0000", "r0004"],
        {"ads": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_timelines_are_credited_whole(made, settings, name):
    story, conversions, by_last_touch = ODD[name]
    story.store(settings.database_url)
    code, run, said = made()
    assert (code, run["status"]) == (0, "published"), said
    assert_whole(settings.database_url, conversions)
    assert {
        channel: float(total)
        for channel, total in query(
            settings.database_url,
            "select channel, sum(share) from attribution.credit where model = 'last_touch'"
            " group by 1",
        )
    } == by_last_touch


def test_an_empty_database_is_a_clear_error(made, settings):
    code, run, said = made()
    assert (code, run) == (2, None)
    assert "there is nothing to attribute" in said.splitlines()[-1]
    assert query(settings.database_url, PUBLISHED) == []


def test_many_accounts_at_the_same_times(made, settings):
    """Every account does the same at the same moment, so that nothing tells campaigns apart."""
    story = Story()
    for number in range(60):
        account = f"a{number:02}"
        story.account(account, "2026-01-01")
        story.touch(account, "2026-01-05T10:00", "ads", "a")
        story.touch(account, "2026-01-05T10:00", "mail", "b")
        if number % 2:
            story.sale(account, "2026-01-20T10:00")
    story.store(settings.database_url)
    code, run, said = made()
    if code:  # nothing tells campaigns from the baseline either: draws may not agree
        assert made.has_model
        assert "is not published, its draws do not pass" in said
        assert query(settings.database_url, PUBLISHED) == []
        return
    assert (code, run["status"]) == (0, "published"), said
    assert_whole(settings.database_url, [f"r{i:04}" for i in range(30)])
    if made.has_model:
        means = {row["channel"]: row["conversions"]["mean"] for row in run["channels"]}
        # neither can be preferred: of 30 conversions, as far as 250 draws can say
        assert means["ads"] == pytest.approx(means["mail"], abs=0.4)


def test_ten_thousand_touches_on_one_account(made, settings):
    url = settings.database_url
    make_world(seed=2, accounts=60).store(url)
    query(
        url,
        "insert into stream.touches (event_id, source, received_at, content_hash, occurred_at,"
        " day_only, account_id, channel, campaign_id, properties) select 'bot' || n, 'test', now(),"
        " 'x', timestamptz '2025-01-02 UTC' + n * interval '30 minutes', false, 'account0000',"
        " 'mail', 'mail-a', '{}' from generate_series(1, 10000) n",
    )
    expected = [id_ for (id_,) in query(url, "select event_id from stream.revenue")]
    code, run, said = made()
    if made.has_model and code == 3:  # an account like no other may fail a gate, which is named
        assert "is not published" in said.splitlines()[-1]
        assert query(url, PUBLISHED) == []
        return
    assert (code, run["status"]) == (0, "published"), said
    assert run["data"]["touches"] > 10_000
    assert_whole(url, expected)


def test_a_campaign_with_spend_and_no_touches(bizops, settings):
    """It is credited nothing, and stands in the report with what it cost."""
    url = settings.database_url
    Story().touch("acme", "2026-01-01").sale("acme", "2026-01-05").store(url)
    query(
        url,
        "insert into stream.spend (event_id, source, received_at, content_hash, kafka_offset, date,"
        " campaign_id, channel, amount, currency) values ('s1', 'test', now(), 'x', 1,"
        " '2026-01-02', 'billboard', 'outdoor', 5000, 'USD')",
    )
    code, out, said = bizops("attribute", "--rules-only", "--format", "json")
    assert (code, json.loads(out)["status"]) == (0, "published"), said
    assert_whole(url, ["r0000"])
    code, out, said = bizops(
        "report", "--by", "campaign", "--format", "json", "--model", "last_touch"
    )
    assert code == 0, said
    (row,) = [row for row in json.loads(out) if row["channel"] == "outdoor"]
    assert (row["spend"], row["attributed_conversions"]["mean"]) == (5000, 0)
    assert row["cac"] is None


def test_amounts_of_every_currency_are_kept_apart(made, settings):
    """No rate of exchange is known to anyone here, so that none can be missing."""
    url = settings.database_url
    Story().sale("acme", "2026-01-05", iacv="10.00").sale("bolt", "2026-01-06", iacv="7.00").sale(
        "crow", "2026-01-07", iacv="500"
    ).store(url)
    query(url, "update stream.revenue set currency = 'XDR' where iacv = 7")
    query(url, "update stream.revenue set currency = 'KMF' where iacv = 500")
    code, run, said = made()
    assert code == 0, said
    assert {row["currency"]: row["iacv"]["mean"] for row in run["channels"]} == {
        "USD": 10, "XDR": 7, "KMF": 500,
    }  # fmt: skip
    assert_whole(url, ["r0000", "r0001", "r0002"])


def lose_connections(url):
    """What a restart of the server does to those who are connected."""
    server = f"{url.rsplit('/', 1)[0]}/postgres"
    query(
        server,
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
        url.rsplit("/", 1)[1],
    )


def go_away(url, away=True):
    """Let nobody in any more, as a server that is down does; or again."""
    server, name = url.rsplit("/", 1)
    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    connection.cursor().execute(
        f'alter database "{name}" with allow_connections {"false" if away else "true"}'
    )
    connection.close()
    if away:
        lose_connections(url)


@pytest.fixture
def company(settings, monkeypatch):
    """A published run, something new, and fits that need no sampling; ``during`` runs in each."""
    url = settings.database_url
    Story().touch("acme", "2026-01-01").sale("acme", "2026-01-05").store(url)
    kept = attribute(settings, url, Options(rules_only=True))
    with opened(url) as connection, connection.cursor() as cursor:
        insert(cursor, "revenue", "later", "2026-02-01", account_id="acme", kind="expansion",
               iacv="5", currency="USD", properties="{}")  # fmt: skip
    before = rows(url)

    def fitted(work, features, journeys):
        folder = fit.run_folder(settings.home, work.run_id)
        folder.mkdir(parents=True)
        work.found["artifact"] = str(folder)
        during()
        return plausible(features, draws=20)

    def set_during(what):
        nonlocal during
        during = what

    during = lambda: None  # noqa: E731
    monkeypatch.setattr(fit._Work, "_fit", fitted)
    monkeypatch.setattr(fit, "hold_to_gates", lambda *_: ({}, []))
    return kept.run_id, before, set_during


def rows(url):
    """Rows of every table that a run writes to, and which run is published."""
    return query(url, PUBLISHED), {
        table: query(url, f"select run_id, count(*) from attribution.{table} group by 1 order by 1")
        for table in RESULTS
    }


@pytest.mark.parametrize("command", ["attribute", "retrain"])
def test_a_database_that_is_gone_when_the_fit_is_done(bizops, settings, company, command):
    url = settings.database_url
    _, before, during = company
    during(lambda: go_away(url))
    try:
        code, out, said = bizops(command)
    finally:
        go_away(url, away=False)
    assert (code, out) == (1, "")
    last = said.splitlines()[-1]
    assert last.startswith("bizops: PostgreSQL cannot be reached: ")
    assert "Traceback" not in said
    assert rows(url) == before
    ((_, _), (status, error)) = query(url, STATUSES)
    assert (status, error) == ("running", None)  # nobody could be told

    during(lambda: None)
    code, out, said = bizops("attribute", "--rules-only", "--format", "json")
    assert code == 0, said
    assert query(url, STATUSES)[1] == (
        "failed", "interrupted: its process was gone before it was done",
    )  # fmt: skip
    assert query(url, PUBLISHED) == [(json.loads(out)["run_id"],)]
    assert_whole(url, ["later", "r0000"])
    left = {path.name for path in (settings.home / "runs").glob("*")}
    assert not left  # the lost run's draws are gone, and runs of rules keep none


@pytest.mark.parametrize("command", ["attribute", "retrain"])
@pytest.mark.parametrize("where", ["save_effects", "publish_run"])
def test_connections_that_are_lost_while_it_publishes(
    bizops, settings, company, monkeypatch, command, where
):
    url = settings.database_url
    _, before, _ = company
    real = getattr(publish, where)

    def lost(*arguments, **found):
        lose_connections(url)  # where rows are written, and none is committed
        real(*arguments, **found)

    monkeypatch.setattr(publish, where, lost)
    code, out, said = bizops(command)
    assert (code, out) == (1, ""), said
    last = said.splitlines()[-1]
    assert "PostgreSQL failed (" in last, said
    assert last.endswith("nothing of it is published")
    assert "Traceback" not in said
    assert rows(url) == before
    ((_, _), (status, error)) = query(url, STATUSES)
    assert status == "failed"
    assert "terminat" in error or "closed" in error

    monkeypatch.setattr(publish, where, real)
    code, _, said = bizops(command)
    assert code == 0, said
    assert_whole(url, ["later", "r0000"])


def test_an_answer_to_the_commit_that_is_lost_leaves_the_run_published(
    bizops, settings, company, monkeypatch
):
    real = fit.write_findings

    def lost(connection, *arguments, **found):
        real(connection, *arguments, **found)
        connection.commit()
        raise psycopg2.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(fit, "write_findings", lost)
    code, out, said = bizops("attribute", "--format", "json")
    assert code == 0, said
    run = json.loads(out)
    assert (run["status"], run["error"]) == ("published", None)
    assert query(settings.database_url, PUBLISHED) == [(run["run_id"],)]
    assert_whole(settings.database_url, ["later", "r0000"])


def test_connections_that_are_lost_while_it_fits_cost_nothing(bizops, settings, company):
    """What is published goes over a connection of its own, if nobody else has begun meanwhile."""
    url = settings.database_url
    _, _, during = company
    during(lambda: lose_connections(url))
    code, _, said = bizops("attribute")
    assert code == 0, said
    assert_whole(url, ["later", "r0000"])


def test_connections_that_are_lost_while_it_reads(bizops, settings, company, monkeypatch):
    url = settings.database_url
    _, before, _ = company
    real = fit.load_journeys

    def lost(connection):
        lose_connections(url)
        return real(connection)

    monkeypatch.setattr(fit, "load_journeys", lost)
    code, out, said = bizops("retrain")
    assert (code, out) == (1, "")
    assert said.splitlines()[-1].startswith("bizops: ")
    assert "connection" in said
    assert "Traceback" not in said
    assert rows(url) == before

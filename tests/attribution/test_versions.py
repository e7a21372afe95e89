"""Runs beside each other, published again and rolled back: what is read is exactly theirs."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from attribution import fit
from attribution.fit import Options, attribute
from attribution.runs import exclusive, start_run
from attribution.stale import count_stale
from attribution.versions import compare_runs, promote, rollback
from bizops.cli import app
from bizops.database import opened
from bizops.errors import BusyError, UsageError

from .conftest import insert, moment, query
from .worlds import make_world, plausible

TABLES = ("conversions", "credit", "credit_draws", "incremental_draws",
          "incremental_iacv_draws", "lead_credit",
          "credit_totals", "posterior_draws")  # fmt: skip
PUBLISHED = "select run_id from attribution.published_run"


@pytest.fixture
def three(settings, monkeypatch):
    """Three published runs, the oldest first; the second had larger effects of all campaigns."""
    make_world(seed=3, accounts=60, customers=True).store(settings.database_url)
    effects = iter((1.0, 3.0, 1.0))

    def fitted(work, features, journeys):
        found = plausible(features, draws=40, spread=0.5)
        return replace(found, effect=found.effect * next(effects))

    monkeypatch.setattr(fit._Work, "_fit", fitted)
    return [attribute(settings, settings.database_url).run_id for _ in range(3)]


def rows(url, run_id):
    return {
        table: sorted(
            query(url, f"select t::text from attribution.{table} t where run_id = %s", run_id)
        )
        for table in TABLES
    }


def published(url):
    """The rows that readers find."""
    ((run_id,),) = query(url, PUBLISHED)
    return run_id, rows(url, run_id)


def test_there_and_back_again_leaves_each_runs_rows_as_they_were(settings, three):
    url = settings.database_url
    before = {run_id: rows(url, run_id) for run_id in three}
    first, second, third = three
    assert published(url) == (third, before[third])
    switch = promote(url, first)
    assert (switch.run.run_id, switch.before.run_id) == (first, third)
    assert published(url) == (first, before[first])
    assert rollback(url).run.run_id == third
    assert published(url) == (third, before[third])
    assert rollback(url).run.run_id == second
    assert published(url) == (second, before[second])
    with pytest.raises(UsageError, match=f"no run was published before {second}"):
        rollback(url)
    assert published(url) == (second, before[second])
    promote(url, third)  # one that was withdrawn
    assert published(url) == (third, before[third])
    assert {run_id: rows(url, run_id) for run_id in three} == before


def test_a_fit_after_a_rollback_is_published(settings, three):
    rollback(settings.database_url)
    done = attribute(settings, settings.database_url, Options(rules_only=True))
    assert query(settings.database_url, PUBLISHED) == [(done.run_id,)]
    assert rollback(settings.database_url).run.run_id == three[1]


def test_what_is_no_run_to_publish(settings, three):
    url = settings.database_url
    start_run(url, "20200101T000000-failed", moment("2020-01-01")[0], {})
    with exclusive(url):
        pass
    for run_id, said in {
        "nothing": "no run 'nothing'",
        "20": "more than one run '20'",
        "": "more than one run ''",
        three[2]: "is the published one already",
        "20200101": "is failed: interrupted: .*only a run that was published before",
    }.items():
        with pytest.raises(UsageError, match=said):
            promote(url, run_id)
    for pair, said in {
        (three[0], three[0]): "twice; expected two runs",
        (three[0], "20200101"): "is failed and credits nothing: interrupted",
        (three[0], "%"): "no run '%'",
    }.items():
        with opened(url) as connection, pytest.raises(UsageError, match=said):
            compare_runs(connection, *pair)
    assert query(url, PUBLISHED) == [(three[2],)]


def test_nothing_to_roll_back(settings):
    with pytest.raises(UsageError, match="no run is published"):
        rollback(settings.database_url)


def test_not_while_a_run_is_made(settings, three):
    with exclusive(settings.database_url):
        for switch in (lambda: promote(settings.database_url, three[0]),
                       lambda: rollback(settings.database_url)):  # fmt: skip
            with pytest.raises(BusyError, match="another"):
                switch()
    assert query(settings.database_url, PUBLISHED) == [(three[2],)]


def test_a_rollback_that_is_cut_off_changes_nothing(settings, three, monkeypatch):
    """Both halves are one transaction."""
    monkeypatch.setattr("attribution.versions.Switch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rollback(settings.database_url)
    assert query(settings.database_url, PUBLISHED) == [(three[2],)]


def test_what_a_promoted_run_lacks_is_stale(settings, three):
    url = settings.database_url
    with opened(url) as connection, connection.cursor() as cursor:
        insert(cursor, "revenue", "late", "2025-06-01", account_id="account0001", kind="expansion",
               iacv="5", currency="USD", properties="{}")  # fmt: skip
    attribute(settings, url, Options(rules_only=True))
    promote(url, three[0])
    with opened(url) as connection:
        assert count_stale(connection) == (three[0], 1)


def test_runs_beside_each_other(settings, three):
    url = settings.database_url
    first, second, third = three
    with opened(url) as connection:
        compared = compare_runs(connection, first, second)
        same = compare_runs(connection, first, third)
    assert [row["channel"] for row in compared.channels][-1] == "(baseline)"
    total = 0.0
    for row in compared.channels:
        conversions = row["conversions"]
        difference = conversions["difference"]
        assert difference["low"] <= difference["mean"] <= difference["high"]
        gap = conversions["second"]["mean"] - conversions["first"]["mean"]
        assert difference["mean"] == pytest.approx(gap, abs=1e-3)
        assert (difference["mean"] > 0) == (row["channel"] != "(baseline)")
        total += difference["mean"]
    assert total == pytest.approx(0, abs=1e-3)  # as many conversions, credited otherwise
    assert compared.channels[-1]["conversions"]["probability_above_zero"] < 0.01
    for row in same.channels:
        assert row["iacv"]["probability_above_zero"] == pytest.approx(0.5)
        assert row["iacv"]["difference"]["mean"] == pytest.approx(0, abs=1e-2)
    assert same.differences == {}


def test_a_probability_is_a_walk_over_all_pairs_of_draws(settings, three):
    url = settings.database_url
    with opened(url) as connection:
        row = compare_runs(connection, three[0], three[1]).channels[0]
    drawn = [
        np.array(
            [
                float(total)
                for (total,) in query(
                    url,
                    "select sum(share::float8) from attribution.credit_draws,"
                    " unnest(shares) with ordinality as draws (share, n)"
                    " where run_id = %s and channel = %s group by n order by n",
                    run_id, row["channel"],
                )
            ]
        )
        for run_id in three[:2]
    ]  # fmt: skip
    above = np.mean([b > a for a in drawn[0] for b in drawn[1]])
    assert row["conversions"]["probability_above_zero"] == pytest.approx(above, abs=1e-3)


def test_beside_a_run_of_rules_only_rules_are_compared(settings, three):
    rules = attribute(settings, settings.database_url, Options(rules_only=True, lookback_days=30))
    with opened(settings.database_url) as connection:
        compared = compare_runs(connection, three[0], rules.run_id)
    assert compared.model == "last_touch"
    assert compared.differences["settings lookback_days"] == [90.0, 30.0]
    assert compared.channels[0]["iacv"]["probability_above_zero"] is None


def test_the_commands(settings, three, monkeypatch):
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", settings.database_url)

    def command(*arguments):
        done = CliRunner().invoke(app, ["runs", *arguments], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    listed = command("list").splitlines()
    assert [line.split()[:2] for line in listed] == [
        [three[2], "published"], [three[1], "kept"], [three[0], "kept"]
    ]  # fmt: skip
    output = command("promote", three[0])
    assert f"Run {three[0]} is published, in place of run {three[2]}." in output
    assert "until `bizops transform`" in output
    assert f"Run {three[2]} is published" in command("rollback")
    assert [line.split()[1] for line in command("list").splitlines()] == [
        "published", "kept", "withdrawn"
    ]  # fmt: skip
    output = command("compare", three[0], three[1])
    assert "search" in output
    assert "settings and data are the same" in output
    assert '"probability_above_zero"' in command("compare", *three[:2], "--format", "json")

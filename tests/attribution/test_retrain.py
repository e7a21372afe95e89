"""Retraining under cron: what its exit codes say, and what it leaves alone."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution import fit
from attribution.expected import expected, measure
from attribution.fit import Options, attribute, retrain
from attribution.risk import risk_spells
from attribution.runs import exclusive, find_run, list_runs, run_folder
from attribution.sampling import Gates, Sampling
from bizops.database import opened
from bizops.errors import BusyError, GateError

from .conftest import Story, insert, query
from .worlds import make_world, plausible

PUBLISHED = "select run_id from attribution.published_run"
STATUSES = "select status, error from attribution.runs order by started_at, run_id"


@pytest.fixture
def bizops(settings, monkeypatch):
    """The command as cron starts it."""
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", settings.database_url)
    script = Path(sys.executable).with_name("bizops")

    def start(*arguments):
        return subprocess.Popen(
            [script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def a_story():
    return Story().touch("acme", "2026-01-01").sale("acme", "2026-01-05").touch(
        "bolt", "2026-01-03"
    )  # fmt: skip


def a_story_without_a_fit():
    return Story().sale("acme", "2026-01-05")


def test_a_killed_run_is_found_cleaned_up_and_made_again(bizops, settings):
    make_world(seed=1, accounts=150, customers=True).store(settings.database_url)
    kept = attribute(settings, settings.database_url, Options(rules_only=True))
    victim = bizops("retrain", "--draws", "200000", "--chains", "2")
    for line in victim.stderr:
        if line.startswith("sampling"):
            break
    ((killed,),) = query(
        settings.database_url, "select run_id from attribution.runs where status = 'running'"
    )
    half = run_folder(settings.home, killed) / "draws.zarr.partial"
    half.mkdir(parents=True)
    busy, _, said = finish(bizops("retrain"))
    assert busy == 75
    assert f"(run {killed}, since" in said
    assert len(said.strip().splitlines()) == 1

    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    assert query(settings.database_url, PUBLISHED) == [(kept.run_id,)]
    with opened(settings.database_url) as connection:
        assert find_run(connection, killed).status == "running"

    code, out, _ = finish(bizops("retrain", "--wait", "30", "--draws", "400"))
    assert code == 0
    ((published,),) = query(settings.database_url, PUBLISHED)
    assert published not in (kept.run_id, killed)
    assert f"Run {published}: published" in out
    with opened(settings.database_url) as connection:
        run = find_run(connection, killed)
    assert (run.status, run.artifact) == ("failed", None)
    assert run.error == "interrupted: its process was gone before it was done"
    assert not half.parent.exists()
    assert run_folder(settings.home, published).exists()


def test_nothing_new_is_no_fit_and_no_run(bizops, settings):
    a_story_without_a_fit().store(settings.database_url)
    assert finish(bizops("retrain"))[0] == 0
    (first,) = query(settings.database_url, PUBLISHED)
    code, out, said = finish(bizops("retrain"))
    assert code == 0
    assert f"nothing new came since run {first[0]}" in said
    assert "--force" in said
    assert first[0] in out
    assert query(settings.database_url, "select count(*) from attribution.runs") == [(1,)]
    code, *_ = finish(bizops("retrain", "--force"))
    assert code == 0
    assert query(settings.database_url, PUBLISHED) != [first]


@pytest.mark.parametrize("table", ["touches", "revenue", "identities"])
def test_anything_that_a_fit_depends_on_is_new(settings, table):
    url = settings.database_url
    a_story_without_a_fit().store(url)
    first = retrain(settings, url)
    assert first.is_new
    assert not retrain(settings, url).is_new
    more = {
        "touches": {"account_id": "bolt", "channel": "ads", "campaign_id": "a", "properties": "{}"},
        "revenue": {"account_id": "acme", "kind": "renewal", "iacv": "0", "currency": "USD",
                    "properties": "{}"},
        "identities": {"lead_id": "lead", "account_id": "acme"},
    }[table]  # fmt: skip
    with opened(url) as connection, connection.cursor() as cursor:
        insert(cursor, table, "more", "2026-01-04", **more)
    again = retrain(settings, url)
    assert again.is_new
    assert again.run.run_id != first.run.run_id


def test_a_run_of_rules_only_is_no_reason_not_to_fit(settings):
    a_story_without_a_fit().store(settings.database_url)
    attribute(settings, settings.database_url, Options(rules_only=True))
    assert retrain(settings, settings.database_url).is_new


def test_restating_does_not_make_new_events_old(settings):
    """Restated credit is of the old fit, which has not seen what came since."""
    from attribution.restate import restate

    url = settings.database_url
    a_story_without_a_fit().store(url)
    retrain(settings, url)
    with opened(url) as connection, connection.cursor() as cursor:
        insert(cursor, "revenue", "new", "2026-02-01", account_id="bolt", kind="new", iacv="5",
               currency="USD", properties="{}")  # fmt: skip
    assert restate(url).conversions == 1
    assert retrain(settings, url).is_new


def test_waiting_for_the_lock(settings):
    a_story_without_a_fit().store(settings.database_url)
    said = []
    with exclusive(settings.database_url):
        began = time.monotonic()
        with pytest.raises(BusyError, match=r"after 0\.3 s still"):
            retrain(settings, settings.database_url, wait_s=0.3, say=said.append)
        assert 0.3 <= time.monotonic() - began < 5
    assert said == ["another run or restatement is at work; waiting up to 0.3 s"]
    assert query(settings.database_url, "select count(*) from attribution.runs") == [(0,)]


def test_a_gate_that_fails_keeps_the_last_good_run(settings, monkeypatch):
    a_story().store(settings.database_url)
    kept = attribute(settings, settings.database_url, Options(rules_only=True))
    bad = Gates({"r_hat_max": 1.2, "worst": {}}, ("R-hat 1.200 of log_effect[0] (at most 1.01)",))
    monkeypatch.setattr(fit, "sample", lambda *_: (None, bad, {"sample_s": 0.1}))
    monkeypatch.setattr(fit, "_save", lambda tree, folder: folder)
    with pytest.raises(GateError, match=r"R-hat 1\.200.*at most 1\.01") as caught:
        retrain(settings, settings.database_url)
    assert f"run {kept.run_id} stays published" in str(caught.value)
    assert caught.value.exit_code == 3
    assert query(settings.database_url, PUBLISHED) == [(kept.run_id,)]


def test_a_run_that_another_process_took_for_interrupted_is_not_published(settings, monkeypatch):
    """The connection that holds the lock may be lost while a fit goes on."""
    url = settings.database_url
    a_story_without_a_fit().store(url)
    real = fit.write_findings

    def lose_the_lock(*arguments, **found):
        query(url, "select pg_terminate_backend(pid) from pg_stat_activity"
              " where datname = current_database()"
              " and application_name = 'bizops-attribute-lock'")  # fmt: skip
        with exclusive(url, wait_s=5):
            pass
        real(*arguments, **found)

    monkeypatch.setattr(fit, "write_findings", lose_the_lock)
    with pytest.raises(BusyError, match="another process has taken over"):
        retrain(settings, url)
    assert query(url, PUBLISHED) == []
    assert query(url, "select count(*) from attribution.credit") == [(0,)]
    assert [status for status, _ in query(url, STATUSES)] == ["failed"]


def test_progress_is_told_in_numbers(settings):
    a_story().store(settings.database_url)
    told = []
    options = Options(Sampling(draws=100, tune=100, chains=2))
    with suppress(GateError):  # so few draws may not pass; what is told of them is the same
        retrain(settings, settings.database_url, options, progress=lambda *n: told.append(n))
    assert told
    assert all(done <= total for done, total, _ in told)


@pytest.fixture
def without_sampling(settings, monkeypatch):
    """A company, and fits that find what they are told to: baselines and effects, scaled."""
    make_world(seed=3, accounts=120, customers=True).store(settings.database_url)
    factor = [1.0]

    def fitted(work, features, journeys):
        work.found["diagnostics"] = {"activity_levels": features.activity_levels.tolist()}
        found = plausible(features, draws=60, spread=0.3)
        spells = risk_spells(journeys)[0]
        cells = measure(journeys, features, spells, np.zeros_like(spells.account), 1)
        scale = factor[0] * len(journeys.conversions)
        scale /= expected(cells, found, features.unit_channel).mean()
        return replace(found, baseline=found.baseline * scale, effect=found.effect * scale)

    monkeypatch.setattr(fit._Work, "_fit", fitted)
    return factor


def test_a_run_that_does_not_foresee_what_came_is_not_published(settings, without_sampling):
    url = settings.database_url
    good = retrain(settings, url).run
    assert good.diagnostics["held_out"] == {"not_compared": "no run is published"}
    checks = good.diagnostics["checks"]
    assert {check["kind"] for check in checks} == {
        *("state", "activity", "channel", "no touch", "month")
    }
    assert not any(check["failed"] for check in checks)
    again = retrain(settings, url, force=True).run
    assert again.diagnostics["held_out"]["published"] == good.run_id
    assert again.diagnostics["held_out"]["difference"] == pytest.approx(0, abs=1e-3)

    without_sampling[0] = 5.0
    with pytest.raises(GateError) as caught:
        retrain(settings, url, force=True)
    said = str(caught.value)
    assert re.search(
        r"check of state 'smb, prospects': \d+ conversions where \d+ \[\d+, \d+\] were expected,"
        r" z -\d+\.\d \(within 4, or within 25%",
        said,
    )
    assert re.search(r"check of month '2025-\d\d': .* and \d+ more of its kind", said)
    assert "held-out log score -" in said
    assert f"beside run {again.run_id} over 120 accounts" in said
    assert f"run {again.run_id} stays published" in said
    assert query(url, PUBLISHED) == [(again.run_id,)]
    with opened(url) as connection:
        failed = list_runs(connection)[0]
    assert failed.status == "failed"
    assert failed.error == said
    assert failed.diagnostics["held_out"]["failed"]
    assert query(
        url, "select count(*) from attribution.credit where run_id = %s", failed.run_id
    ) == [(0,)]  # fmt: skip
    attribute(settings, url)  # its gates are the draws' alone


def test_a_published_run_of_before_is_not_asked(settings, without_sampling):
    first = retrain(settings, settings.database_url).run
    query(settings.database_url, "update attribution.runs set diagnostics = '{}'")
    again = retrain(settings, settings.database_url, force=True).run
    assert again.diagnostics["held_out"] == {
        "not_compared": f"run {first.run_id} kept no model that can be asked"
    }

import json
import os
import pty
import subprocess
import sys

import psycopg2
import pytest
from typer.testing import CliRunner

from bizops.cli import app

from .conftest import Story, insert


@pytest.fixture
def command(settings, monkeypatch):
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", settings.database_url)
    Story().touch("acme", "2026-01-01", "ads").sale("acme", "2026-01-05").store(
        settings.database_url
    )

    def run(*arguments):
        done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert done.exit_code == 0
        return done

    return run


def test_attribute_and_look_at_the_run(command):
    assert "No runs yet" in command("runs", "list").output
    done = json.loads(command("attribute", "--rules-only", "--format", "json").stdout)
    assert done["status"] == "published"
    assert done["channels"] == [
        {
            "channel": "ads",
            "model": "last_touch",
            "currency": "USD",
            "conversions": {"mean": 1.0, "low": 1.0, "high": 1.0},
            "iacv": {"mean": 1000.0, "low": 1000.0, "high": 1000.0},
        }
    ]
    assert done["run_id"] in command("runs", "list").output
    (listed,) = json.loads(command("runs", "list", "--format", "json").stdout)
    assert listed["data"]["conversions"] == 1
    shown = command("runs", "show", done["run_id"][:15]).output
    assert "published" in shown
    assert "ads" in shown
    assert "settings lookback_days: 90" in shown


def test_a_table(command):
    output = command("attribute", "--rules-only", "--lookback", "2").output
    assert "publishing" in output
    assert "(baseline)" in output


def test_stale_credit_is_shown_and_restated(command, settings):
    run_id = json.loads(command("attribute", "--rules-only", "--format", "json").stdout)["run_id"]
    assert "nothing is stale" in command("restate").output
    store_touch(settings.database_url)
    assert "1 conversions stale" in command("runs", "list").output
    assert "credit; 1 conversions stale" in command("runs", "show", run_id).output
    (listed,) = json.loads(command("runs", "list", "--format", "json").stdout)
    assert listed["stale_conversions"] == 1
    assert "restated 1 conversions" in command("restate").output
    done = json.loads(command("restate", "--account", "acme", "--format", "json").stdout)
    assert (done["run_id"], done["reasons"]) == (run_id, {"asked for": 1})
    assert "stale" not in command("runs", "list").output


def test_other_models_are_published_when_asked_for(command):
    done = command("attribute", "--rules-only", "--model", "markov_2", "--format", "json").stdout
    assert json.loads(done)["settings"]["rules"][-2:] == ["markov_1", "markov_2"]
    arguments = ("report", "--by", "channel", "--format", "json", "--model", "markov_2")
    ads, *_ = json.loads(command(*arguments).stdout)
    assert (ads["channel"], ads["attributed_iacv"]["mean"]) == ("ads", 1000)


def store_touch(database_url):
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        insert(cursor, "touches", "late", "2026-01-02", account_id="acme", channel="mail",
               campaign_id="m", properties="{}")  # fmt: skip
    connection.close()


BAR = """
from bizops.cli.progress import sampling_progress
with sampling_progress() as progress:
    print("bar" if progress else "no bar", flush=True)
    if progress:
        progress(300, 9200, 0)
        progress(9200, 9200, 3)
"""


def test_a_bar_on_a_terminal_only():
    there, here = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", BAR],
        stderr=here, stdout=subprocess.PIPE, text=True, check=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(here)
    assert done.stdout == "bar\n"
    shown = os.read(there, 100_000).decode()
    os.close(there)
    assert "9,200 of 9,200 draws, 3 diverged" in shown
    piped = subprocess.run([sys.executable, "-c", BAR], capture_output=True, text=True, check=True)
    assert (piped.stdout, piped.stderr) == ("no bar\n", "")

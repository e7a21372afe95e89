import json

import pytest
from typer.testing import CliRunner

from bizops.cli import app

from .conftest import Story


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

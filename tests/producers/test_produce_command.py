"""``bizops produce`` and ``bizops schema`` as a person meets them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from bizops.cli import main
from bizops.events import EVENT_TYPES
from bizops.settings import Settings
from producers.source import source_names

TOUCH = {
    "type": "touch",
    "source": "web",
    "occurred_at": "2026-03-01T09:30:00Z",
    "channel": "email",
    "account_id": "acme",
}


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


type Run = Callable[..., Outcome]


@pytest.fixture
def bizops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Runs a command; no service is known unless the test names one."""
    for name in ("BIZOPS_KAFKA", "BIZOPS_DATABASE_URL", "BIZOPS_TOPIC_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BIZOPS_HOME", str(tmp_path / "home"))

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["bizops", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        code = caught.value.code
        return Outcome(code if isinstance(code, int) else int(code is not None), *captured)

    return run


def write(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(lines) + "\n")
    return file


def touches(count: int) -> list[str]:
    return [json.dumps({**TOUCH, "event_id": f"web:{n}"}) for n in range(count)]


def test_help_lists_the_sources(bizops: Run) -> None:
    code, out, _ = bizops("produce", "--help")
    assert code == 0
    assert all(f"\n  {name}  " in out for name in source_names())
    assert "Example: bizops produce jsonl events.jsonl.gz" in out


@pytest.mark.parametrize("name", source_names())
def test_each_source_has_help_with_an_example(bizops: Run, name: str) -> None:
    code, out, _ = bizops("produce", name, "--help")
    assert code == 0
    assert f"Example: bizops produce {name}" in out
    assert all(option in out for option in ("--dry-run", "--format", "--rejects"))


def test_options_of_a_source(bizops: Run) -> None:
    out = bizops("produce", "simulated", "--help").out
    assert "--seed" in out
    assert "[default: 7]" in " ".join(out.split())
    assert "--mapping" in bizops("produce", "csv", "--help").out


def test_an_unknown_source(bizops: Run) -> None:
    code, out, err = bizops("produce", "hubspto")
    assert (code, out) == (2, "")
    assert err == "bizops: no source 'hubspto'; have csv, jsonl, simulated\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["jsonl"], "Missing argument 'FILE"),
        (["jsonl", "missing"], "bizops: cannot read missing: no such file or directory"),
        (["csv", "a.csv"], "Missing option '--mapping'"),
        (["csv", "a.csv", "--mapping", "m.yaml"], "cannot read mapping m.yaml: no such file"),
        (["simulated", "--accounts", "0"], "source simulated: option 'accounts' is 0: "),
        (["simulated", "--accounts", "x"], "'--accounts': Input should be a valid integer"),
        (["jsonl", "--nope"], "No such option: --nope"),
    ],
)
def test_wrong_options_are_one_sentence(bizops: Run, arguments: list[str], says: str) -> None:
    code, out, err = bizops("produce", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_a_dry_run_needs_no_kafka(bizops: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "e.jsonl", *touches(1_200))
    code, out, err = bizops("produce", "jsonl", file, "--dry-run")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["type", "valid"],
        ["touch", "1,200"],
        ["total", "1,200"],
        ["rejected", "0"],
    ]


def test_without_kafka_it_says_so(bizops: Run, tmp_path: Path) -> None:
    code, _, err = bizops("produce", "jsonl", write(tmp_path / "e.jsonl", *touches(1)))
    assert code == 1
    assert err.startswith("bizops: no Kafka is running under ")


def test_rejected_records_are_said_and_written(bizops: Run, tmp_path: Path) -> None:
    bad = [f'{{"type": "nope{n}"}}' for n in range(30)]
    file = write(tmp_path / "e.jsonl", *touches(5), *bad, *touches(2))
    rejects = tmp_path / "rejects.jsonl"
    code, out, err = bizops(
        "produce", "jsonl", file, "--dry-run", "--format", "json", "--rejects", rejects
    )
    summary = json.loads(out)
    assert code == 1
    assert (summary["valid"], summary["total"], summary["rejected"]) == ({"touch": 7}, 7, 30)
    assert len(summary["errors"]) == 20
    assert f"{file} line 6: unknown type 'nope0'; expected one of account" in err
    assert "nope19" in err
    assert "nope20" not in err
    assert f"bizops: 30 of 37 records were rejected, the rest is valid; all are in {rejects}" in err
    written = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert len(written) == 30
    assert written[29] == {
        "origin": f"{file} line 35",
        "reason": "unknown_type",
        "sentence": written[29]["sentence"],
        "record": '{"type": "nope29"}',
    }


def test_rejects_that_cannot_be_written(bizops: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "e.jsonl", *touches(5))
    code, _, err = bizops("produce", "jsonl", file, "--dry-run", "--rejects", tmp_path)
    assert code == 2
    assert err == f"bizops: cannot write {tmp_path}: is a directory\n"


def test_it_publishes(
    bizops: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings.kafka
    monkeypatch.setenv("BIZOPS_KAFKA", settings.kafka)  # no database is named, and none needed
    monkeypatch.setenv("BIZOPS_TOPIC_PREFIX", settings.topic_prefix)
    file = write(tmp_path / "e.jsonl", *touches(300), "nope")
    code, out, err = bizops("produce", "jsonl", file, "--format", "json")
    assert code == 1
    assert json.loads(out)["published"] == {"touch": 300}
    assert "1 of 301 records were rejected, the rest was published" in err
    code, out, err = bizops("produce", "simulated", "--accounts", "15", "--months", "2")
    assert code == 0
    assert "published" in out


@pytest.mark.parametrize("event_type", [None, *EVENT_TYPES])
def test_schema(bizops: Run, event_type: str | None) -> None:
    code, out, _ = bizops("schema", *([event_type] if event_type else []))
    assert code == 0
    assert json.loads(out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_schema_of_an_unknown_type(bizops: Run) -> None:
    code, _, err = bizops("schema", "tuoch")
    assert code == 2
    assert err.startswith("bizops: no type 'tuoch'; have account, application")

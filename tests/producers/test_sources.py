"""Every source is held to the same suite; one without a sample here fails it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from bizops.errors import UsageError
from bizops.events import parse_event
from producers import source as sources
from producers.source import (
    Argument,
    Extracted,
    Option,
    Rejected,
    Source,
    find_source,
    open_source,
    source_names,
)

TOUCH = {
    "type": "touch",
    "event_id": "1",
    "source": "web",
    "occurred_on": "2026-03-01",
    "channel": "email",
    "user_id": "u",
}
LINES = "\n".join(
    [
        json.dumps(TOUCH),
        json.dumps(TOUCH | {"channel": 2}),
        "",
        "no",
        json.dumps(TOUCH | {"event_id": "2"}),
    ]
)
MAPPING = """\
type: touch
source: sheet
event_id: "sheet:{id}"
fields: {occurred_on: day, channel: channel, account_id: account}
"""
ROWS = """\
id,day,channel,account
1,2026-03-01,email,acme
2,yesterday,email,acme
3,2026-03-02,social,acme
"""


def jsonl(folder: Path) -> dict[str, Any]:
    (folder / "events.jsonl").write_text(LINES)
    return {"files": (str(folder / "events.jsonl"),)}


def csv(folder: Path) -> dict[str, Any]:
    (folder / "mapping.yaml").write_text(MAPPING)
    (folder / "rows.csv").write_text(ROWS)
    return {"files": (str(folder / "rows.csv"),), "mapping": folder / "mapping.yaml"}


def simulated(folder: Path) -> dict[str, Any]:
    return {"accounts": 20, "months": 3, "seed": 7, "truth": folder / "truth.json"}


# Options of a small sample of each source: two events or more.
SAMPLES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "csv": csv,
    "jsonl": jsonl,
    "simulated": simulated,
}

each_source = pytest.mark.parametrize("name", source_names())


@pytest.fixture
def sample(name: str, tmp_path: Path) -> Source:
    assert name in SAMPLES, f"the source {name} has no sample in {Path(__file__).name}"
    return open_source(name, SAMPLES[name](tmp_path))


@each_source
def test_extracting_twice_gives_the_same(sample: Source) -> None:
    once, again = list(sample.read()), list(sample.read())
    assert len(once) >= 2
    assert once == again


@each_source
def test_every_event_is_valid_and_has_an_id_of_its_own(sample: Source) -> None:
    events = [record.event for record in sample.read() if isinstance(record, Extracted)]
    assert len(events) >= 2
    assert len({(event.type, event.event_id) for event in events}) == len(events)
    for event in events:
        assert parse_event(event.to_json()) == event
        assert len(event.event_id) <= 200
        assert event.source


@each_source
def test_every_record_says_where_it_is_from(sample: Source) -> None:
    records = list(sample.read())
    assert all(record.origin for record in records)
    assert len({record.origin for record in records}) == len(records)
    for record in records:
        if isinstance(record, Rejected):
            assert record.reason.replace("_", "").isalnum()
            assert len(record.sentence) > 10


@each_source
def test_it_reads_lazily(sample: Source) -> None:
    records = sample.read()
    assert isinstance(next(records), Extracted | Rejected)
    records.close()  # type: ignore[attr-defined]


@each_source
def test_it_describes_itself(name: str) -> None:
    source = find_source(name)
    assert source.description.endswith(".")
    assert len(source.description) <= 80
    assert source.example.startswith(f"bizops produce {name} ")
    assert source.__doc__
    for field in source.model_fields.values():
        marks = [mark for mark in field.metadata if isinstance(mark, Argument | Option)]
        assert len(marks) == 1
        assert marks[0].help.endswith((".", "!"))


@each_source
def test_an_unknown_option_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"source {name}: no option 'colour'; have "):
        open_source(name, {**SAMPLES[name](tmp_path), "colour": "red"})


def test_a_source_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="no source 'hubspto'; have csv, jsonl, simulated"):
        find_source("hubspto")


@pytest.mark.parametrize("name", ["", "../jsonl", "jsonl.py", "__init__", "os"])
def test_only_names_of_sources_are_loaded(name: str) -> None:
    with pytest.raises(UsageError, match="no source"):
        find_source(name)


def test_a_missing_and_a_wrong_option() -> None:
    with pytest.raises(UsageError, match="source csv: option 'mapping' is required"):
        open_source("csv", {"files": ("a.csv",)})
    with pytest.raises(UsageError, match="source jsonl: option 'files' is"):
        open_source("jsonl", {"files": ()})
    with pytest.raises(UsageError, match=r"no option 'fiels'; have files \(did you mean files\?\)"):
        open_source("jsonl", {"files": ("a",), "fiels": ()})


def test_the_example_of_the_protocol_runs(tmp_path: Path) -> None:
    """The class in the module's docstring, which a new source starts from."""
    assert sources.__doc__
    code = sources.__doc__[sources.__doc__.index("    class Lines") :].split("\n\nThe options")[0]
    names: dict[str, Any] = {
        **vars(sources),
        **{"ClassVar": ClassVar, "Annotated": Annotated, "Field": Field, "Path": Path},
        **{"parse_event": parse_event, "__name__": "example"},
    }
    exec("\n".join(line[4:] for line in code.splitlines()), names)
    (tmp_path / "a").write_text(LINES)
    records = list(names["Lines"](files=(tmp_path / "a",)).read())
    assert [type(record) for record in records].count(Extracted) == 2
    assert records[0].origin.endswith("a line 1")

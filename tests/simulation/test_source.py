"""``simulated`` as a source of producers."""

from pathlib import Path

import pytest

from bizops.errors import UsageError
from bizops.simulation import Truth, simulate
from producers.source import Extracted, open_source

SMALL = {"accounts": 10, "months": 2}


def test_it_gives_the_world_and_writes_its_truth(tmp_path: Path) -> None:
    truth = tmp_path / "new" / "truth.json"
    records = list(open_source("simulated", SMALL | {"truth": truth}).read())
    world = simulate(**SMALL)
    assert [record.event for record in records if isinstance(record, Extracted)] == world.events
    assert Truth.from_json(truth.read_bytes()) == world.truth
    assert [file.name for file in truth.parent.iterdir()] == ["truth.json"]


def test_the_truth_is_kept_at_home_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIZOPS_HOME", str(tmp_path))
    next(iter(open_source("simulated", SMALL | {"seed": 11}).read()))
    assert (tmp_path / "simulated-truth-11.json").exists()


def test_a_truth_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = open_source("simulated", SMALL | {"truth": tmp_path / "file" / "truth.json"})
    with pytest.raises(UsageError, match="cannot write the truth to"):
        list(source.read())


@pytest.mark.parametrize("options", [{"accounts": 0}, {"seed": -1}, {"months": "x"}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="simulated"):
        open_source("simulated", options)

"""The benchmark of worlds: what its figures mean, on made results and on one small fit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest

from attribution.rules import RULES
from attribution.sampling import Sampling
from benchmarks.scores import scored
from benchmarks.truth import error, realised_table, table
from benchmarks.worlds import make_world


def level(truth, added, sd=1.0):
    columns = {"truth": truth, "realised": truth,
               "contestants": {"last": truth[::-1], "first": [1.0, 1.0]}}  # fmt: skip
    for name in ("added", "credit"):
        columns |= {name: added, f"{name}_sd": [sd] * len(added)}
        for ends, width in (("90", 1.65), ("50", 0.67)):
            columns[f"{name}_low_{ends}"] = [max(x - width * sd, 0.0) for x in added]
            columns[f"{name}_high_{ends}"] = [x + width * sd for x in added]
    return columns


def result(truth, added, failed=(), seed=1):
    figures = level(truth, added)
    total = level([sum(truth)], [sum(added)])
    return {"world": "additive", "seed": seed, "target": 800, "conversions": 100, "touches": 10,
            "seconds": {"sample": 3.0}, "failed": list(failed), "total": total,
            "by_channel": figures, "by_campaign": figures}  # fmt: skip


def cells(text, row=2):
    names, values = (text.splitlines()[at][2:-2].split(" | ") for at in (0, row))
    return dict(zip(names, values, strict=True)), values


def test_error_is_relative_to_the_truth_and_rules_are_scaled():
    figures = {"truth": [10.0, 30.0]}
    assert error(figures, [10.0, 30.0], scaled=False) == 0
    assert error(figures, [20.0, 60.0], scaled=False) == 1
    assert error(figures, [20.0, 60.0]) == 0
    assert error(figures, [1.0, 1.0]) == pytest.approx(0.5)


def test_the_table_says_how_right_and_how_honest():
    fits = [result([10.0, 30.0], [10.5, 33.0]), result([10.0, 30.0], [10.0, 30.2], ["R-hat"], 2)]
    row, values = cells(table(fits))
    assert row["fits"] == "2 of 2"
    assert row["passed"] == "1"
    assert row["bias"] == "+5%"
    assert row["total in 90"] == "1"
    assert values[7:10] == ["0.05", "0.50 first", "0.09"]
    assert row["in 90 / 50 channel"] == "0.75 / 0.75"
    assert row["z channel / campaign"] == "+0.9 ± 1.2 / +0.9 ± 1.2"
    assert row["no effect"] == ""
    assert cells(realised_table(fits))[0]["err channel"] == "0.05"


def test_what_does_nothing_is_told_apart():
    row, _ = cells(table([result([0.0, 30.0], [1.0, 30.0])]))
    assert row["no effect"] == "1.0%, 100% reach 0"
    assert row["in 90 / 50 channel"] == "1.00 / 1.00"
    row, _ = cells(table([result([0.0, 0.0], [5.0, 1.0])]))
    assert row["no effect"] == "6.0%, 50% reach 0"
    assert row["bias"] == ""


def test_a_fit_that_failed_is_counted_and_costs_no_other():
    failed = {"world": "additive", "seed": 3, "target": 800, "error": "Traceback"}
    row, _ = cells(table([result([10.0, 30.0], [10.0, 30.0]), failed]))
    assert row["fits"] == "1 of 2"
    assert "0 of 1" in table([failed])


@pytest.mark.slow
def test_one_fit_beside_every_rule():
    found = scored(make_world("additive", 1, 120), Sampling(draws=30, tune=100, chains=2))
    assert found["failed"]
    for name, names in (("by_channel", "channels"), ("by_campaign", "campaigns")):
        figures = found[name]
        assert RULES.keys() <= figures["contestants"].keys()
        columns = [*figures["contestants"].values(), *(figures[key] for key in figures
                   if key != "contestants")]  # fmt: skip
        assert {len(column) for column in columns} == {len(found[names])}
        assert sum(figures["added"]) == pytest.approx(found["total"]["added"][0], abs=0.01)
        assert (np.array(figures["added_low_50"]) <= figures["added"]).all()
        assert (np.array(figures["added_high_90"]) >= figures["added_high_50"]).all()


def test_a_world_as_lines_of_json(tmp_path: Path):
    places = [tmp_path / "events.jsonl", tmp_path / "truth.json"]
    command = [
        sys.executable,
        "-m",
        "benchmarks.worlds",
        "intent_tested",
        *places,
        "--conversions",
        "30",
    ]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    events = [orjson.loads(line) for line in places[0].read_bytes().splitlines()]
    assert {event["type"] for event in events} == {"account", "touch", "revenue", "lift_test"}
    truth = orjson.loads(places[1].read_bytes())
    named = {campaign["campaign_id"] for campaign in truth["campaigns"]}
    assert named == {event["campaign_id"] for event in events if event["type"] == "touch"}

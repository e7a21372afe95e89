"""The demo from nothing, as `make demo` runs it, and the claim of the README."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bizops.models import PUBLISHED


@pytest.mark.slow
def test_the_model_is_less_than_half_as_wrong_as_the_best_rule(tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("bizops"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BIZOPS_")}
    environment["BIZOPS_HOME"] = str(tmp_path)

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [command, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        models = json.loads(run("demo", "--format", "json"))["models"]
        best = min(found["error"] for name, found in models.items() if name != "bayesian")
        assert models["bayesian"]["error"] < best / 2
        assert set(models) == set(PUBLISHED)

        began = time.monotonic()
        again = run("demo")
        assert time.monotonic() - began < 20
        assert "Where to look next" in again

        rows = json.loads(run("report", "--by", "channel", "--format", "json"))
        credited = sum(row["attributed_iacv"]["mean"] for row in rows)
        timeline = json.loads(run("timeline", again.split(" timeline ")[1].split()[0],
                                  "--format", "json"))  # fmt: skip
        assert credited > 0
        assert {entry["entry"] for entry in timeline} == {"touch", "revenue", "opportunity"}
    finally:
        run("down", "--purge", "--yes")
    left = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info["cmdline"])]
    assert not left

"""Real advertising journeys through the whole pipeline: how long each step takes, and its memory.

Run with ``.venv/bin/python -m benchmarks.criteo PATH/criteo_train_touches.csv.gz``. A journey is an
account, its conversion one minute after its last touch; the data is Criteo's (CC BY-NC-SA 4.0) and
not part of this repository. Services are local and of the run's own.
"""

import argparse
import csv
import gzip
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from benchmarks.steps import step

START = datetime(2026, 1, 1, tzinfo=UTC)


def events(path: Path) -> Iterator[dict[str, Any]]:
    """One touch a row, and one deal of 100.00 EUR for each journey that ended in a conversion."""
    with gzip.open(path, "rt") as file:
        for journey, rows in groupby(csv.DictReader(file), key=lambda row: row["seq_id"]):
            last, converted = 0, False
            for row in rows:
                last, converted = max(last, int(row["t"])), converted or row["y"] == "1"
                yield {
                    "type": "touch", "event_id": f"criteo:{journey}:{row['step']}",
                    "source": "criteo", "occurred_at": moment(int(row["t"])),
                    "channel": "display", "campaign_id": row["campaign"], "account_id": journey,
                }  # fmt: skip
            if converted:
                yield {
                    "type": "revenue", "event_id": f"criteo:{journey}:conversion",
                    "source": "criteo", "occurred_at": moment(last + 60), "account_id": journey,
                    "kind": "new", "iacv": "100.00", "currency": "EUR",
                }  # fmt: skip


def moment(seconds: int) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bizops-criteo-"))
    lines = home / "events.jsonl"
    with lines.open("wb") as file:
        count = sum(file.write(orjson.dumps(e) + b"\n") > 0 for e in events(arguments.data))
    print(f"{count:,} events, {os.cpu_count()} cores")
    try:
        step("start Kafka and PostgreSQL", "up", home=home)
        step("migrate", "migrate", home=home)
        step("publish", "produce", "jsonl", str(lines), home=home)
        stream = ("stream", "--until-caught-up", "--workers", str(arguments.workers))
        step(f"stream, {arguments.workers} workers", *stream, home=home)
        step("rules alone", "attribute", "--rules-only", home=home)
        step("rules and model", "attribute", home=home)
        step("marts", "transform", home=home)
    finally:
        step("stop", "down", "--purge", "--yes", home=home)


if __name__ == "__main__":
    main()

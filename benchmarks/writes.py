"""CPU seconds of writing 100,000 events, in our process and in PostgreSQL's, without Kafka.

Run with ``.venv/bin/python -m benchmarks.writes``, before and after a change.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil

from benchmarks.topic import event, partition, visitor
from bizops import local
from bizops.database import connect
from bizops.settings import Settings
from streams.records import Record
from streams.store import Store
from warehouse.schema import migrate

BATCH = 8000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=96_000)
    events = parser.parse_args().events
    home = Path(tempfile.mkdtemp(prefix="bizops-bench-"))
    home.chmod(0o755)
    settings = replace(Settings.from_environment({}), home=home)
    try:
        url = local.up(settings).database_url
        migrate(url)
        connection = connect(url)
        backend = psutil.Process(connection.get_backend_pid())
        store = Store(connection)
        for number in range(0, events, BATCH):
            if number == BATCH:  # the first batch warms up
                ours, theirs = time.process_time(), sum(backend.cpu_times()[:2])
            store.write([record(n) for n in range(number, min(number + BATCH, events))])
        scale = 100_000 / (events - BATCH)
        print(f"our process {(time.process_time() - ours) * scale:.2f} s per 100,000 events")
        print(f"PostgreSQL {(sum(backend.cpu_times()[:2]) - theirs) * scale:.2f} s per 100,000")
        connection.close()
    finally:
        local.purge(settings)
        shutil.rmtree(home, ignore_errors=True)


def record(number: int) -> Record:
    return Record("touches", partition(number), number, 1.77e9 + number / 1000,
                  str(visitor(number)).encode(), event(number))  # fmt: skip


if __name__ == "__main__":
    main()

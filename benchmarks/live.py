"""How soon a deal is credited: from just before its event is published until a reader sees shares.

Run with ``.venv/bin/python -m benchmarks.live``; it makes a home of its own with the demo's data
and a published run, or takes one that `bizops demo` was run in (``--home``) and adds events to it.
Meanwhile touches of known and of new visitors are published at a steady rate. The reader asks every
five milliseconds for deals that it has not seen credit of. ``--beside attribute`` or ``--beside
restate`` runs that command again and again meanwhile; afterwards each deal has to be credited in
the run that is published then.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bizops import local
from bizops.database import Connection, connect
from bizops.events import EVENT_TYPES
from bizops.settings import Settings
from producers.publisher import Publisher

PROBE_EVERY_S = 0.005
DEALS_PER_S = 2.0
KNOWN_SHARE = 0.7
PATIENCE_S = 60.0
COMMAND = [sys.executable, "-c", "from bizops.cli import main; main()"]


@dataclass
class World:
    """Who may touch and buy: identifiers, campaigns and accounts of what is stored."""

    visitors: list[tuple[str, str]]
    campaigns: list[tuple[str, str]]
    prospects: list[str]
    customers: list[str]

    @classmethod
    def read(cls, connection: Connection) -> "World":
        customers = "select account_id from stream.revenue"
        return cls(
            rows(connection, "select kind, value from stream.identifiers where kind in "
                 "('anonymous_id', 'email', 'lead_id') order by id"),
            rows(connection, "select distinct channel, campaign_id from stream.touches "
                 "where campaign_id <> '(none)' order by 1, 2"),
            [a for (a,) in rows(connection, "select distinct account_id from stream.accounts "
                                f"where account_id not in ({customers}) order by 1")],
            [a for (a,) in rows(connection, f"select distinct account_id from ({customers}) _ "
                                "order by 1")],
        )  # fmt: skip


def rows(connection: Connection, statement: str, *values: Any) -> list[Any]:
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall()


class Traffic:
    """Publishes touches at a steady rate and deals at random moments, and notes when."""

    def __init__(self, publisher: Publisher, world: World, seed: int) -> None:
        self.publisher, self.world = publisher, world
        self.random = random.Random(seed)
        self.mark = f"live:{int(time.time())}"
        self.sent: dict[str, float] = {}
        self.touches = 0

    def run(self, deals: int, rate: float) -> None:
        began = due = time.time()
        while len(self.sent) < deals:
            now = time.time()
            while self.touches < (now - began) * rate:
                self._touch()
            if now >= due:
                self._deal()
                due += self.random.expovariate(DEALS_PER_S)
            time.sleep(0.005)
        self.publisher.finish()

    def _touch(self) -> None:
        self.touches += 1
        kind, value = "anonymous_id", f"{self.mark}:{self.touches % 5000}"
        if self.random.random() < KNOWN_SHARE:
            kind, value = self.random.choice(self.world.visitors)
        channel, campaign = self.random.choice(self.world.campaigns)
        self._send("touch", f"{self.mark}:touch:{self.touches}", channel=channel,
                   campaign_id=campaign, touch_type="click", **{kind: value})  # fmt: skip

    def _deal(self) -> None:
        id_ = f"{self.mark}:deal:{len(self.sent)}"
        new = self.random.random() < 0.5
        accounts = self.world.prospects if new else self.world.customers
        self.sent[id_] = time.time()
        self._send("revenue", id_, account_id=self.random.choice(accounts), currency="USD",
                   kind="new" if new else "expansion", iacv="1200.00")  # fmt: skip

    def _send(self, event_type: str, id_: str, **fields: str) -> None:
        event = {"type": event_type, "event_id": id_, "source": "bench"} | fields
        event["occurred_at"] = datetime.now(UTC).isoformat()
        self.publisher.send(EVENT_TYPES[event_type].model_validate(event))


def seen(connection: Connection, ids: list[str]) -> list[str]:
    """Deals that a reader sees the model's credit of."""
    found = rows(
        connection,
        "select distinct conversion_id from attribution.credit where model = 'bayesian' "
        "and run_id = (select run_id from attribution.published_run) and conversion_id = any(%s)",
        ids,
    )
    return [id_ for (id_,) in found]


def watch(connection: Connection, traffic: Traffic, deals: int) -> dict[str, float]:
    """Seconds of each deal, as long as anything comes."""
    delays: dict[str, float] = {}
    moved = time.time()
    while len(delays) < deals and time.time() - moved < PATIENCE_S:
        waiting = [id_ for id_ in list(traffic.sent) if id_ not in delays]
        for id_ in seen(connection, waiting) if waiting else ():
            moved = time.time()
            delays[id_] = moved - traffic.sent[id_]
        time.sleep(PROBE_EVERY_S)
    return delays


@contextmanager
def streaming(settings: Settings) -> Iterator[psutil.Process]:
    """`bizops stream`, as a person would start it."""
    process = subprocess.Popen(
        [*COMMAND, "stream"], env=os.environ | settings.environment(), stdout=subprocess.DEVNULL
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def repeating(settings: Settings, command: str | None) -> Iterator[list[float]]:
    """A command beside, again and again; at the end of the block its last time is waited for."""
    took: list[float] = []
    over = threading.Event()

    def repeat() -> None:
        while command and not over.is_set():
            began = time.time()
            environment = os.environ | settings.environment()
            subprocess.run([*COMMAND, command], env=environment, capture_output=True, check=True)
            took.append(time.time() - began)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()


def measure(settings: Settings, deals: int, rate: float, seed: int, beside: str | None) -> None:
    endpoints = local.up(settings)
    settings = replace(settings, kafka=endpoints.kafka, database_url=endpoints.database_url)
    connection = connect(endpoints.database_url, application="bench-reader")
    world = World.read(connection)
    with streaming(settings) as process, Publisher(settings, endpoints.kafka) as publisher:
        warm = Traffic(publisher, world, seed)
        warm.mark += ":warm"
        threading.Thread(target=warm.run, args=(3, rate)).start()
        watch(connection, warm, 3)
        with repeating(settings, beside) as times:
            began, traffic = time.time(), Traffic(publisher, world, seed + 1)
            thread = threading.Thread(target=traffic.run, args=(deals, rate))
            thread.start()
            delays = watch(connection, traffic, deals)
            thread.join()
            took = time.time() - began
        if beside:
            print(f"beside: bizops {beside}, {len(times)} times, {max(times):.0f} s at most")
            watch(connection, traffic, deals)
        live = [p for p in process.children(recursive=True) if p.cmdline()[-1:] == ["live"]]
        cpu, memory = sum(live[0].cpu_times()[:2]), live[0].memory_info().rss / 2**20
    values = sorted(delays.values())
    ranks = statistics.quantiles(values, n=100, method="inclusive")
    print(f"{deals} deals and {traffic.touches:,} touches in {took:.0f} s; credited {len(delays)}")
    print(f"event to credit: p50 {ranks[49]:.3f} s, p90 {ranks[89]:.3f} s, p99 {ranks[98]:.3f} s, "
          f"at most {values[-1]:.3f} s")  # fmt: skip
    print(f"bizops live: {cpu:.1f} CPU s in all, {memory:.0f} MiB")
    check(connection, list(delays))


def check(connection: Connection, ids: list[str]) -> None:
    """Shares sum to one in each model, and each deal is provisional."""
    wrong = rows(
        connection,
        "select conversion_id, model from attribution.credit join attribution.published_run "
        "using (run_id) where conversion_id = any(%s) group by 1, 2 "
        "having abs(sum(share) - 1) > 1e-9",
        ids,
    )
    marked = rows(
        connection,
        "select count(*) from attribution.conversions join attribution.published_run "
        "using (run_id) where conversion_id = any(%s) and provisional",
        ids,
    )[0][0]
    print(f"shares that do not sum to one: {len(wrong)}; provisional: {marked}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="where `bizops demo` was run")
    parser.add_argument("--deals", type=int, default=300)
    parser.add_argument("--rate", type=float, default=300.0, help="touches a second")
    parser.add_argument("--beside", choices=("attribute", "restate"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.home or Path(folder) / "home"
        settings = replace(Settings.from_environment({}), home=home)
        try:
            if arguments.home is None:
                demo = os.environ | {"BIZOPS_HOME": str(home)}
                subprocess.run([*COMMAND, "demo"], env=demo, stdout=subprocess.DEVNULL, check=True)
            measure(settings, arguments.deals, arguments.rate, arguments.seed, arguments.beside)
        finally:
            if arguments.home is None:
                local.purge(settings)


if __name__ == "__main__":
    main()

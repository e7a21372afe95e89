"""From Kafka to PostgreSQL, ours beside its peers: in one run, one after the other.

Run with ``make bench``; ``--quick`` is a small form, ``--only NAME`` picks contestants, ``--skip``
leaves out a part, ``--stored 50000000`` adds the rate into filled tables. Services are local and of
the run's own; all of it is gone afterwards, results go to ``--output`` as JSON.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.kills import measure_kills
from benchmarks.measure import measure_latency, measure_rate, producing
from benchmarks.peers import Contestant, Target, contestants
from benchmarks.peers.plain import create_plain
from benchmarks.report import markdown, versions
from benchmarks.stored import fill
from bizops import local
from bizops.database import connect, opened
from bizops.endpoints import Endpoints
from bizops.settings import Settings
from bizops.topics import ensure_topics
from warehouse.schema import migrate

STEADY_PER_S = 1000.0
COMMIT_S, STEADY_COMMIT_S = 0.5, 0.02
KILLED = ("bizops stream x 1", "bizops worker, plain x 1", "bare loop, our SQL x 1",
          "Quix Streams x 1", "Debezium, unnest x 1")  # fmt: skip


@dataclass
class Bench:
    """One run: its services, and what was measured so far."""

    settings: Settings
    endpoints: Endpoints
    options: argparse.Namespace
    keep: frozenset[str]
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: int = 0

    def say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def log(self) -> Path:
        return self.settings.home / "contestants.log"

    def target(self, contestant: Contestant, prefix: str, commit_every_s: float) -> Target:
        """A group that nobody has used, and an empty table."""
        self.groups += 1
        settings = replace(
            self.settings, topic_prefix=prefix, group=f"bench-{os.getpid()}-{self.groups}"
        )
        table = "stream.touches" if contestant.real else f"bench.t{self.groups}"
        target = Target(settings, self.endpoints, table, commit_every_s)
        ensure_topics(settings, self.endpoints.kafka)
        connection = connect(self.endpoints.database_url)
        try:
            if contestant.real:
                self.empty(connection)
            else:
                create_plain(connection, table)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("checkpoint")
        finally:
            connection.close()
        return target

    def empty(self, connection: Any) -> None:
        """Take the events of this benchmark out of all tables of real writes."""
        with connection, connection.cursor() as cursor:
            tables = [name for name in stream_tables(cursor) if name not in self.keep]
            cursor.execute(f"truncate {', '.join(tables)} cascade")

    def drop(self, target: Target) -> None:
        if target.table.startswith("bench."):
            with opened(self.endpoints.database_url) as connection:
                connection.cursor().execute(f"drop table {target.table}")


def stream_tables(cursor: Any) -> list[str]:
    cursor.execute("select 'stream.' || tablename from pg_tables where schemaname = 'stream'")
    return [row[0] for row in cursor.fetchall()]


def run_rates(bench: Bench, contestant: Contestant) -> None:
    """A pass over all events; of a peer that warms up, a second and a third one."""
    kept = bench.results.setdefault(contestant.name, {})
    passes = ("cold", "warm") if contestant.warm else ("rate",)
    for name in passes:
        target = bench.target(contestant, "bulk-", COMMIT_S)
        rate = measure_rate(contestant, target, bench.options.events, bench.log())
        contestant.pause()
        bench.drop(target)
        kept[name] = asdict(rate)
        bench.say(
            f"{contestant.name:<26} {name:<5}{rate.events_per_s:>9,.0f}/s "
            f"{rate.cpu_s_per_million:>7.1f} CPU s/M {rate.memory_mib:>6.0f} MiB"
        )


def run_latencies(bench: Bench, contestant: Contestant) -> None:
    """At a steady 1,000 events/s, and at half of what this contestant has shown it can do."""
    kept = bench.results.setdefault(contestant.name, {})
    best = max((kept[name]["events_per_s"] for name in ("rate", "warm") if name in kept), default=0)
    for name, rate in (("steady", STEADY_PER_S), ("half", round(best / 2, -2))):
        if not rate:
            continue
        target = bench.target(contestant, f"steady-{bench.groups}-", STEADY_COMMIT_S)
        latency = measure_latency(contestant, target, rate, bench.options.seconds, bench.log())
        contestant.pause()
        bench.drop(target)
        kept[name] = asdict(latency)
        bench.say(
            f"{contestant.name:<26} {rate:>6,.0f}/s: p50 {latency.p50_ms:.0f} ms, "
            f"p99 {latency.p99_ms:.0f} ms, {latency.cpu_share:.0%} of a core"
            + (f", {latency.missing} never seen" if latency.missing else "")
        )


def run_kills(bench: Bench, chosen: list[Contestant]) -> None:
    entries = [
        (one, bench.target(one, "kills-", STEADY_COMMIT_S)) for one in chosen if one.name in KILLED
    ]
    # Two with real writes share one table: the bare loop with our SQL stands aside.
    real = [one for one in entries if one[0].real]
    entries = [one for one in entries if not one[0].real] + real[-1:]
    if not entries:
        return
    results = measure_kills(entries, bench.options.kills, bench.options.seed, bench.log())
    for one, _ in entries:
        if one.name not in results:
            bench.say(f"{one.name} was not killed {bench.options.kills} times: nothing to report")
    for name, kills in results.items():
        bench.results.setdefault(name, {})["kills"] = asdict(kills)
        bench.say(
            f"{name:<26} {kills.kills} kills, {kills.published:,} published: "
            f"{kills.lost} lost, {kills.twice} twice"
        )


def run_stored(bench: Bench) -> None:
    """Our real writes into tables that hold so many events already."""
    connection = connect(bench.endpoints.database_url)
    bench.empty(connection)
    seconds = fill(connection, bench.options.stored)
    connection.close()
    bench.say(f"{bench.options.stored:,} events stored by SQL in {seconds:.0f} s")
    for size in (1, 2):
        contestant = Contestant(f"bizops stream x {size}", "streams.worker", real=True, size=size)
        settings = replace(bench.settings, topic_prefix="bulk-", group=f"stored-{size}")
        target = Target(settings, bench.endpoints, "stream.touches")
        with opened(bench.endpoints.database_url) as opened_connection:
            cursor = opened_connection.cursor()
            cursor.execute("delete from stream.progress")
            cursor.execute("delete from stream.touches where event_id like 'bench:touch:%'")
        try:
            rate = measure_rate(contestant, target, bench.options.events, bench.log())
        finally:
            contestant.stop()
        bench.results.setdefault(contestant.name, {})["stored"] = asdict(rate)
        bench.say(f"{contestant.name} into {bench.options.stored:,}: {rate.events_per_s:,.0f}/s")


def guarded(bench: Bench, contestant: Contestant, part: Callable[[], None]) -> None:
    """One contestant's failure is a line of the report, not the end of the run."""
    try:
        part()
    except Exception as error:
        bench.say(f"{contestant.name} failed: {error}")
        bench.results.setdefault(contestant.name, {})["failed"] = str(error)[:500]
        contestant.stop()


def run(bench: Bench) -> None:
    options = bench.options
    chosen = [
        one for one in contestants() if not options.only or any(o in one.name for o in options.only)
    ]
    bulk = replace(bench.settings, topic_prefix="bulk-")
    ensure_topics(bulk, bench.endpoints.kafka)
    began = time.monotonic()
    with producing(Target(bulk, bench.endpoints, ""), options.events) as producer:
        if producer.wait():
            sys.exit("the events could not be published")
    bench.say(f"{options.events:,} events published in {time.monotonic() - began:.0f} s")
    for contestant in chosen:
        try:
            if "rates" not in options.skip:
                guarded(bench, contestant, lambda one=contestant: run_rates(bench, one))
            if "latency" not in options.skip and options.latency_of in contestant.name:
                guarded(bench, contestant, lambda one=contestant: run_latencies(bench, one))
        finally:
            contestant.stop()
    if "kills" not in options.skip:
        try:
            run_kills(bench, chosen)
        finally:
            for contestant in chosen:
                contestant.stop()
    if options.stored:
        run_stored(bench)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_600_000)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each latency measurement")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--latency-of", default="", metavar="PART_OF_A_NAME", help="not of all")
    parser.add_argument("--stored", type=int, default=0, help="events that are there already")
    parser.add_argument("--only", action="append", default=[], metavar="PART_OF_A_NAME")
    parser.add_argument(
        "--skip", action="append", default=[], choices=("rates", "latency", "kills")
    )
    parser.add_argument("--quick", action="store_true", help="200,000 events, 6 s, 3 kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    if options.quick:
        options.events, options.seconds, options.kills = 200_000, 6.0, 3
    return options


def main() -> None:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = Path(tempfile.mkdtemp(prefix="bizops-bench-"))
    home.chmod(0o755)
    settings = replace(Settings.from_environment({}), home=home, partitions=8)
    bench = None
    try:
        endpoints = local.up(settings)
        migrate(endpoints.database_url)
        with opened(endpoints.database_url) as connection, connection.cursor() as cursor:
            keep = set()
            for name in stream_tables(cursor):
                cursor.execute(f"select exists (select from {name})")
                if cursor.fetchone() == (True,):
                    keep.add(name)  # what the migrations themselves put there
        bench = Bench(settings, endpoints, options, frozenset(keep))
        run(bench)
    finally:
        if bench is not None and bench.results:
            found = {"versions": versions(endpoints), "events": options.events,
                     "stored": options.stored, "results": bench.results}  # fmt: skip
            options.output.write_text(json.dumps(found, indent=1))
            print(markdown(found), flush=True)
        local.purge(settings)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()

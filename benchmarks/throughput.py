"""Events per second from Kafka to PostgreSQL: our workers beside a bare loop with the same SQL.

Run with ``make bench``, or ``.venv/bin/python benchmarks/throughput.py --events 400000``. All
contestants read the same topic into the same tables, emptied in between, one after the other, on
services of their own; start-up is left out. Machines are noisy: read the ratios.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import psycopg2
from aiokafka import AIOKafkaConsumer
from kafka import KafkaProducer

from bizops import local
from bizops.database import connect
from bizops.endpoints import find_endpoints
from bizops.events import EVENT_TYPES
from bizops.settings import Settings
from bizops.topics import TOPICS, ensure_topics
from streams.pool import WorkerPool
from streams.records import Record
from streams.store import Store
from streams.worker import BATCH_ITEMS, FETCH_EVENTS
from warehouse.schema import migrate

TABLES = [event.topic for event in EVENT_TYPES.values()] + [
    "progress", "dead_letters", "account_links", "identity_edges", "identifiers",
]  # fmt: skip


def publish(settings: Settings, kafka: str, events: int) -> None:
    """Touches: one in ten names a lead beside its visitor, one in a hundred an account."""
    producer = KafkaProducer(
        bootstrap_servers=kafka.split(","), linger_ms=20, batch_size=131072, compression_type="lz4"
    )
    topic = settings.topic("touches")
    for number in range(events):
        visitor = number * 7919 % (events // 5)
        touch = {
            "type": "touch", "event_id": f"bench:touch:{number:09}", "source": "bench",
            "occurred_at": f"2026-03-{number % 28 + 1:02}T10:{number % 60:02}:00Z",
            "channel": "email", "campaign_id": f"campaign-{number % 40}",
            "anonymous_id": f"visitor-{visitor}", "touch_type": "open",
        }  # fmt: skip
        if number % 10 == 0:
            touch["lead_id"] = f"lead-{visitor}"
        if number % 100 == 0:
            touch["account_id"] = f"account-{visitor % 5000}"
        producer.send(topic, orjson.dumps(touch), key=touch["anonymous_id"].encode())
    producer.flush()
    producer.close()


async def bare_loop() -> None:
    """Fetch, write with our SQL, commit: nothing between Kafka and the transaction."""
    settings = Settings.from_environment()
    endpoints = find_endpoints(settings)
    store = Store(connect(endpoints.database_url), settings.topic_prefix)
    consumer = AIOKafkaConsumer(
        *[settings.topic(name) for name in TOPICS],
        bootstrap_servers=endpoints.kafka,
        group_id=settings.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=15_000,
    )
    await consumer.start()
    loop = asyncio.get_running_loop()
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=FETCH_EVENTS * BATCH_ITEMS)
        records = [
            Record(tp.topic, tp.partition, raw.offset, raw.timestamp / 1000, raw.key, raw.value)
            for tp, batch in fetched.items()
            for raw in batch
        ]
        if records:
            await loop.run_in_executor(None, store.write, records)
            await consumer.commit()


def start_bare(pool: WorkerPool) -> None:
    environment = os.environ | {
        "BIZOPS_HOME": str(pool.settings.home),
        "BIZOPS_KAFKA": pool.endpoints.kafka,
        "BIZOPS_DATABASE_URL": pool.endpoints.database_url,
        "BIZOPS_GROUP": pool.settings.group,
    }
    for _ in range(pool.size):
        pool.processes.append(
            subprocess.Popen([sys.executable, __file__, "--bare"], env=environment)
        )


def measure(pool: WorkerPool, start: Callable[[], None], events: int) -> float:
    """Events per second between the first stored batch and the last."""
    connection = psycopg2.connect(pool.endpoints.database_url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"truncate {', '.join(f'stream.{table}' for table in TABLES)}")
    cursor.execute("checkpoint")
    start()
    try:
        began, at_first, stored = 0.0, 0, 0
        while stored < events:
            pool.check()
            time.sleep(0.02)
            cursor.execute("select coalesce(sum(next_offset), 0) from stream.progress")
            (total,) = cursor.fetchone() or (0,)
            stored = int(total)
            if stored and not began:
                began, at_first = time.perf_counter(), stored
        return (events - at_first) / (time.perf_counter() - began)
    finally:
        pool.stop()
        connection.close()


def compare(events: int, rounds: int) -> None:
    home = Path(tempfile.mkdtemp(prefix="bizops-bench-"))
    settings = replace(Settings.from_environment({}), home=home, partitions=8)
    endpoints = local.up(settings)
    try:
        migrate(endpoints.database_url)
        ensure_topics(settings, endpoints.kafka)
        publish(settings, endpoints.kafka, events)
        rates: dict[str, list[float]] = {}
        for turn in range(rounds):
            for size in (1, 2):
                for name in ("bare loop", "bizops stream"):
                    group = f"bench-{turn}-{size}-{name.split()[0]}"
                    pool = WorkerPool(replace(settings, group=group), endpoints, size)
                    start = pool.start if name == "bizops stream" else _starter(pool)
                    rate = measure(pool, start, events)
                    rates.setdefault(f"{name} x {size}", []).append(rate)
    finally:
        local.purge(settings)
    report(events, rates)


def _starter(pool: WorkerPool) -> Callable[[], None]:
    return lambda: start_bare(pool)


def report(events: int, rates: dict[str, list[float]]) -> None:
    best = {name: max(values) for name, values in rates.items()}
    print(f"{events:,} events, {os.cpu_count()} cores, best of {len(rates['bare loop x 1'])}")
    print(f"{'':<20}{'events/s':>10}{'to one bare loop':>18}{'to as many bare':>17}")
    for name, rate in best.items():
        one = rate / best["bare loop x 1"]
        same = rate / best[f"bare loop {name[-3:]}"]
        print(f"{name:<20}{rate:>10,.0f}{one:>18.2f}{same:>17.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        asyncio.run(bare_loop())
    else:
        compare(arguments.events, arguments.rounds)

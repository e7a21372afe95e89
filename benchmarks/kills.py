"""Killed twenty times each, while events keep coming: what is lost, and what stands twice.

Contestants run side by side here, each with a table and a group of its own: nothing is timed.
"""

import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import count_rows, producing
from benchmarks.peers import Contestant, Target
from bizops.database import Connection, connect

__all__ = ["Kills", "measure_kills"]

EVENTS_PER_S = 500.0
LONGEST_S, SETTLED_S = 900.0, 45.0
LOOK_EVERY_S = 0.3


@dataclass
class Kills:
    """What twenty kills came to."""

    kills: int
    published: int
    lost: int
    twice: int


def measure_kills(
    entries: list[tuple[Contestant, Target]], kills: int, seed: int, log: Path
) -> dict[str, Kills]:
    """Kill each contestant so many times with -9, then let all of them catch up and count."""
    killed: dict[str, int] = {}
    any_target = entries[0][1]
    began = time.monotonic()
    over = threading.Event()
    with producing(
        any_target, int(EVENTS_PER_S * LONGEST_S), rate=EVENTS_PER_S, sample=1
    ) as producer:
        published: list[int] = []
        threading.Thread(target=_note, args=(producer, published), daemon=True).start()
        threads = [
            threading.Thread(
                target=_kill_often, args=(one, target, kills, seed + place, log, killed, over)
            )
            for place, (one, target) in enumerate(entries)
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                if time.monotonic() - began > LONGEST_S - 60:
                    over.set()
                time.sleep(LOOK_EVERY_S)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        producer.terminate()
    # The last few may not have been delivered: only events before them are asked for.
    count = published[-1] - int(EVENTS_PER_S * 5)
    results = {}
    try:
        for one, target in entries:
            done = killed.get(one.name, 0)
            if done == kills:  # one that could not be started again says nothing of loss
                results[one.name] = _settle(target, count, done)
    finally:
        for one, _ in entries:
            one.stop()
    return results


def _note(producer: object, published: list[int]) -> None:
    for line in producer.stdout:  # type: ignore[attr-defined]
        published[:] = [int(line.split()[0])]


def _kill_often(
    contestant: Contestant,
    target: Target,
    kills: int,
    seed: int,
    log: Path,
    killed: dict[str, int],
    over: threading.Event,
) -> None:
    """Each time after it has stored something, in the middle of whatever comes next."""
    chance = random.Random(seed)
    connection = connect(target.endpoints.database_url)
    try:
        for number in range(kills + 1):
            before = _rows(connection, target.table)
            contestant.start(target, log)
            if number == kills:
                return
            while _rows(connection, target.table) == before:
                if over.is_set():
                    return
                time.sleep(LOOK_EVERY_S)
            time.sleep(chance.uniform(0, 1))
            contestant.kill()
            killed[contestant.name] = number + 1
    finally:
        connection.close()


def _rows(connection: Connection, table: str) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {table}")
        (rows,) = cursor.fetchone() or (0,)
    return int(rows)


def _settle(target: Target, published: int, kills: int) -> Kills:
    """Wait until nothing new comes, then count."""
    connection = connect(target.endpoints.database_url)
    try:
        rows, moved = -1, time.monotonic()
        while time.monotonic() - moved < SETTLED_S:
            now = _rows(connection, target.table)
            if now != rows:
                rows, moved = now, time.monotonic()
            if _missing(connection, target.table, published) == 0:
                break
            time.sleep(1.0)
        rows, different = count_rows(connection, target.table)
        lost = _missing(connection, target.table, published)
        return Kills(kills, published, lost, rows - different)
    finally:
        connection.close()


def _missing(connection: Connection, table: str, published: int) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select %s - count(distinct event_id) from "
            f"{table} where event_id < 'bench:touch:' || lpad(%s::text, 9, '0')",
            (published, published),
        )
        (missing,) = cursor.fetchone() or (published,)
    return int(missing)

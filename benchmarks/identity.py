"""How well people are told apart, how much merging costs, and what facts cost the writer.

Run with ``.venv/bin/python benchmarks/identity.py``; services of its own are started and removed.
Times are CPU seconds of this process and of its one PostgreSQL session, so that what else runs on
the machine matters little.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import psutil
import psycopg2

from bizops import local
from bizops.events import EVENT_TYPES
from bizops.settings import Settings
from bizops.simulation import simulate
from streams.guards import load_guards
from streams.identity_rows import create_identity_staging, refresh_all
from streams.records import Record
from streams.store import Store
from warehouse.schema import migrate

TABLES = [event.topic for event in EVENT_TYPES.values()] + [
    "progress", "dead_letters", "account_links", "identity_edges", "identifiers",
]  # fmt: skip
BATCH = 5000
ENDLESS = 10**6


class Run:
    """One connection, emptied tables, and what they cost."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg2.connect(url)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"truncate {', '.join(f'stream.{table}' for table in TABLES)}")
        self.store = Store(self.connection)
        self.session = psutil.Process(self.connection.info.backend_pid)

    def write(self, events: Sequence[bytes], topic: str | None = None) -> tuple[float, float]:
        """Store events; CPU seconds here and in PostgreSQL."""
        records = [
            Record(topic or EVENT_TYPES[orjson.loads(raw)["type"]].topic, 0, n, 1e9, None, raw)
            for n, raw in enumerate(events)
        ]
        before = time.process_time(), sum(self.session.cpu_times()[:2])
        for first in range(0, len(records), BATCH):
            self.store.write(records[first : first + BATCH])
        return time.process_time() - before[0], sum(self.session.cpu_times()[:2]) - before[1]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else []


def accuracy(url: str) -> None:
    """The simulated company: touches whose account is the true one."""
    world = simulate(accounts=600)
    run = Run(url)
    run.write([event.to_json() for event in world.events])
    found = dict(run.rows("select event_id, account_id from stream.resolved_touches"))
    sorts = Counter(
        "right" if found[touch] == account else "none" if found[touch] is None else "wrong"
        for touch, account in world.truth.touch_accounts.items()
    )
    total = sum(sorts.values())
    print(
        f"simulated company, {total:,} touches:", {k: f"{v / total:.4%}" for k, v in sorts.items()}
    )


def crowd(seed: int = 1, people: int = 3000) -> Iterator[tuple[dict[str, Any], int | None]]:
    """Events of people who share devices and addresses, with whose each anonymous touch is.

    Of the people, 15 % type a private address on their device too, 15 % are several leads in the
    CRM. One device in 25 is shared by two to six people, half of the time of one account; one
    address in 50 is a mailbox of three to thirty people, a third of the time of several accounts.
    Three in ten of who share a device are strangers (numbers below 0) with private addresses.
    """
    draw = random.Random(seed)
    number = 0

    def event(kind: str, **who: str) -> dict[str, Any]:
        nonlocal number
        number += 1
        moment = f"2026-{1 + number % 12:02}-{1 + draw.randrange(28):02}T10:00:00Z"
        channel = {"channel": "web"} if kind == "touch" else {}
        return {"type": kind, "event_id": f"{kind}{number}", "source": "crowd",
                "occurred_at": moment} | channel | who  # fmt: skip

    accounts = [f"A{person // 6}" for person in range(people)]
    for person in range(people):
        device, mail = f"v{person}", f"p{person}@a{person // 6}.com"
        leads = 1 if draw.random() > 0.15 else draw.randint(2, 6)
        for lead in range(leads):
            yield event("identity", email=mail, lead_id=f"L{person}-{lead}",
                        account_id=accounts[person]), None  # fmt: skip
        yield event("identity", anonymous_id=device, email=mail), None
        if draw.random() < 0.15:
            yield event("identity", anonymous_id=device, email=f"p{person}@gmail.com"), None
        for _ in range(3):
            yield event("touch", anonymous_id=device), person
        yield event("touch", email=mail), person
    for shared in range(people // 25):
        near = draw.random() < 0.5
        first = draw.randrange(people - 6)
        first -= first % 6 if near else 0
        pool = range(first, first + 6) if near else range(people)
        those = draw.sample(pool, draw.randint(2, 6))
        for person in those:
            if draw.random() < 0.3:
                person = -person - 1
            mail = f"p{person}@a{person // 6}.com" if person >= 0 else f"s{person}@gmail.com"
            yield event("identity", anonymous_id=f"s{shared}", email=mail), None
            yield event("touch", anonymous_id=f"s{shared}"), person
    for box in range(people // 50):
        first = draw.randrange(people // 6) * 6
        far = draw.random() < 1 / 3
        pool = range(people) if far else range(max(first - 24, 0), first + 6)
        those = draw.sample(pool, min(draw.randint(3, 30), len(pool)))
        for person in those:
            yield (
                event("identity", email=f"info{box}@agency{box}.com", lead_id=f"L{person}-0"),
                None,
            )
            yield event("touch", email=f"info{box}@agency{box}.com"), person


def limits(url: str) -> None:
    """How many equals an identifier may lead to: where touches go by limits of both kinds."""
    events = list(crowd())
    run = Run(url)
    run.write([orjson.dumps(event) for event, _ in events])
    truth = {event["event_id"]: person for event, person in events if person is not None}
    most = load_guards().most
    chosen = dict(most)
    print("device  address   right account   wrong   none   touches of a person with another's")
    for device in (1, 2, 3, ENDLESS):
        for address in (1, 3, 5, 10, ENDLESS):
            most.update(anonymous_id=device, email=address)
            with run.connection, run.connection.cursor() as cursor:
                create_identity_staging(cursor)
                refresh_all(cursor)
            print(f"{_limit(device):>6}  {_limit(address):>7}   {_placed(run, truth)}")
    most.update(chosen)


def _limit(number: int) -> str:
    return "any" if number == ENDLESS else str(number)


def _placed(run: Run, truth: dict[str, int]) -> str:
    found = run.rows(
        "select t.event_id, t.account_id, case when i.shared_rank is null then t.person_id end "
        "from stream.resolved_touches t left join stream.identifiers i on i.id = t.person_id"
    )
    sorts: Counter[str] = Counter()
    people: dict[str, Counter[int]] = {}
    for touch, account, person in found:
        right = f"A{truth[touch] // 6}" if truth[touch] >= 0 else None
        sorts["right" if account == right else "none" if account is None else "wrong"] += 1
        if person is not None:
            people.setdefault(person, Counter())[truth[touch]] += 1
    # in each person all touches but those of who has most of them are another's
    mixed = sum(c.total() - max(c.values()) for c in people.values())
    total = len(found)
    return (
        f"{sorts['right'] / total:13.2%}   {sorts['wrong'] / total:5.2%}   "
        f"{sorts['none'] / total:5.2%}   {mixed / total:.2%}"
    )


def merging(url: str, people: int, each: int) -> None:
    """People with long histories become one with others: no touch is written."""
    run = Run(url)
    touches = [
        orjson.dumps({"type": "touch", "event_id": f"t{p}-{n}", "source": "b", "channel": "web",
                      "occurred_at": "2026-03-01T10:00:00Z", "user_id": f"u{p}"})
        for p in range(people) for n in range(each)
    ]  # fmt: skip
    run.write(touches, "touches")
    stored = "select max(stored_in), sum(stored_in), max(xmin::text::bigint) from stream.touches"
    before = run.rows(stored)
    merges = [
        orjson.dumps({"type": "identity", "event_id": f"m{p}", "source": "b", "user_id": f"u{p}",
                      "occurred_at": "2026-03-02T10:00:00Z", "previous_user_id": f"u{p + 1}"})
        for p in range(0, people, 2)
    ]  # fmt: skip
    here, there = run.write(merges, "identities")
    assert run.rows(stored) == before, "a touch was written"
    (persons,) = run.rows("select count(distinct person_id) from stream.resolved_touches")[0]
    print(
        f"{len(merges):,} merges of people with {each} touches each ({len(touches):,} in all): "
        f"{here + there:.2f} CPU s, no touch written, {persons:,} people left"
    )


def writing(url: str, events: int) -> None:
    """What touches cost that say the same of identity again and again."""
    draw = random.Random(1)
    run = Run(url)

    def touches(lap: int) -> list[bytes]:
        found = []
        for n in range(events):
            person = draw.randrange(events // 20)
            who = {"anonymous_id": f"v{person}"}
            if n % 3 == 0:
                who |= {"email": f"p{person}@a{person % 500}.com", "lead_id": f"L{person}"}
            found.append(
                orjson.dumps({"type": "touch", "event_id": f"t{lap}-{n}", "source": "b",
                              "channel": "web", "occurred_at": f"2026-03-{1 + lap:02}T10:00:00Z"}
                             | who)
            )  # fmt: skip
        return found

    for lap in range(3):
        here, there = run.write(touches(lap), "touches")
        scale = 100_000 / events
        print(f"lap {lap}: {here * scale:.2f} + {there * scale:.2f} CPU s per 100,000 touches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--each", type=int, default=50)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--only", choices=("accuracy", "limits", "merging", "writing"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bizops-identity-") as folder:
        settings = replace(Settings.from_environment({}), home=Path(folder))
        try:
            url = local.up(settings).database_url
            migrate(url)
            if options.only in (None, "accuracy"):
                accuracy(url)
            if options.only in (None, "limits"):
                limits(url)
            if options.only in (None, "merging"):
                merging(url, options.people, options.each)
            if options.only in (None, "writing"):
                writing(url, options.events)
        finally:
            local.purge(settings)


if __name__ == "__main__":
    main()

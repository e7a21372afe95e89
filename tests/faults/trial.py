"""One trial: events all along, faults drawn from a seed, and checks while and after."""

import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg2
from kafka.errors import KafkaError

from streams.lag import Lag
from tests.faults.kinds import KINDS, Fault, Scene

__all__ = ["Planned", "Trial", "plan_faults"]

LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Planned:
    """One fault as the seed drew it."""

    index: int
    kind: str
    lasts_s: float


def plan_faults(seed: int, count: int) -> list[Planned]:
    """Faults in their order: every kind once in each round, shuffled, so that none is left out."""
    chance = random.Random(seed)
    names: list[str] = []
    while len(names) < count:
        names += chance.sample(sorted(KINDS), len(KINDS))
    return [
        Planned(index, kind, round(chance.uniform(*KINDS[kind].lasts_s), 2))
        for index, kind in enumerate(names[:count])
    ]


@dataclass
class Trial:
    """Runs a plan against a scene and keeps what it saw.

    Attributes
    ----------
    happened
        Each fault with the seconds at which it began and had healed.
    early
        Where Kafka was told of more than PostgreSQL held: it must stay empty.
    """

    scene: Scene
    seed: int
    plan: list[Planned]
    happened: list[dict[str, object]] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    looks: int = 0
    started: float = 0.0

    def allowed(self) -> int:
        """How many events may have been fed by now: as large a share as of the faults."""
        total, begun = self.scene.feeder.total, len(self.happened)
        return total if begun >= len(self.plan) else total * (begun + 1) // (len(self.plan) + 1)

    def run(self, say: bool = False) -> None:
        """Break and mend until the plan is done and every event is acknowledged."""
        self.started = time.monotonic()
        stop = threading.Event()
        watching = threading.Thread(target=self._watch, args=(stop, say), daemon=True)
        self.scene.crew.start()
        self.scene.feeder.start()
        watching.start()
        try:
            with ThreadPoolExecutor(4) as lanes:
                self._break_things(lanes)
            while not self.scene.feeder.done:
                self._raise_failures()
                time.sleep(0.2)
        finally:
            stop.set()
            watching.join()
        self._raise_failures()

    def _break_things(self, lanes: ThreadPoolExecutor) -> None:
        busy: dict[str, Future[None]] = {}
        left = list(self.plan)
        while left or busy:
            for part in [part for part, lane in busy.items() if lane.done()]:
                busy.pop(part).result()
            self._raise_failures()
            # The next whose part is whole; those behind it may go ahead of it, but not far.
            ready = [one for one in left[:4] if KINDS[one.kind].part not in busy]
            share = self.scene.feeder.total * len(self.happened) // (len(self.plan) + 1)
            if ready and self.scene.feeder.fed >= share:
                one = ready[0]
                left.remove(one)
                entry: dict[str, object] = {**asdict(one), "began_s": self._now()}
                self.happened.append(entry)
                fault = KINDS[one.kind](self.scene, random.Random(f"{self.seed}:{one.index}"))
                busy[fault.part] = lanes.submit(self._one, fault, one, entry)
            time.sleep(0.1)

    def _one(self, fault: Fault, planned: Planned, entry: dict[str, object]) -> None:
        try:
            fault.inject()
            time.sleep(planned.lasts_s)
        finally:
            fault.heal()
            entry["healed_s"] = self._now()

    def _now(self) -> float:
        return round(time.monotonic() - self.started, 1)

    def _raise_failures(self) -> None:
        if self.scene.feeder.failed:
            raise self.scene.feeder.failed

    def _watch(self, stop: threading.Event, say: bool) -> None:
        said = 0.0
        while not stop.wait(LOOK_EVERY_S):
            self.scene.crew.look()
            self.compare_offsets()
            if say and time.monotonic() - said > 10:
                said = time.monotonic()
                feeder = self.scene.feeder
                print(
                    f"{self._now():7.0f} s  {len(self.happened):4d} of {len(self.plan)} faults  "
                    f"{feeder.fed:9,d} of {feeder.total:,} events",
                    flush=True,
                )

    def compare_offsets(self) -> None:
        """Offsets committed in Kafka never exceed the progress stored in PostgreSQL."""
        group = self.scene.settings.group
        with suppress(KafkaError, OSError, KeyError, psycopg2.OperationalError):
            with closing(self.scene.cluster.admin()) as admin:
                committed = admin.list_group_offsets(group)[group]
            url = self.scene.cluster.database_url
            with closing(psycopg2.connect(url, connect_timeout=2)) as connection:
                cursor = connection.cursor()
                cursor.execute("set lock_timeout = '1s'")
                cursor.execute("select topic, partition, next_offset from stream.progress")
                stored = {(topic, partition): offset for topic, partition, offset in cursor}
            self.looks += 1
            for tp, committed_at in committed.items():
                if committed_at.offset > stored.get((tp.topic, tp.partition), 0):
                    self.early.append(f"{tp}: {committed_at.offset} against {stored}")

    def drain(self, seconds: float) -> float:
        """Wait until all that was published is committed as stored; returns how long it took."""
        began = time.monotonic()
        with closing(Lag(self.scene.settings, self.scene.cluster.endpoints.kafka)) as lag:
            published = lag.published()
            while behind := lag.behind(published):
                self.scene.crew.look()
                if time.monotonic() - began > seconds:
                    raise TimeoutError(f"{behind:,} events are not stored after {seconds:.0f} s")
                time.sleep(0.5)
        return round(time.monotonic() - began, 1)

    def report(self, path: Path, **checks: object) -> None:
        """Write what happened and what was checked as JSON."""
        kinds = Counter(str(one["kind"]) for one in self.happened)
        path.write_text(
            json.dumps(
                {
                    "seed": self.seed,
                    "faults": len(self.happened),
                    "kinds": dict(sorted(kinds.items())),
                    **checks,
                    "happened": self.happened,
                },
                indent=1,
                default=str,
            )
        )

"""What is broken, and how it heals: one class a kind of fault, found by its name."""

import gzip
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import psycopg2
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from bizops.settings import Settings
from bizops.topics import TOPICS
from tests.faults.cluster import Cluster, wait_until
from tests.faults.crew import Crew
from tests.faults.feeder import Feeder

__all__ = ["KINDS", "Fault", "Scene"]


@dataclass(frozen=True)
class Scene:
    """All that a fault may touch."""

    settings: Settings
    cluster: Cluster
    crew: Crew
    feeder: Feeder
    folder: Path

    @property
    def topics(self) -> list[str]:
        """Full names of the topics."""
        return [self.settings.topic(name) for name in TOPICS]


class Fault(ABC):
    """One thing that goes wrong for a while.

    Attributes
    ----------
    part
        What it breaks; of one part only one fault at a time.
    lasts_s
        Least and most seconds between :meth:`inject` and :meth:`heal`.
    """

    part: ClassVar[str]
    lasts_s: ClassVar[tuple[float, float]] = (0.5, 3.0)

    def __init__(self, scene: Scene, chance: Random) -> None:
        self.scene, self.chance = scene, chance

    @abstractmethod
    def inject(self) -> None:
        """Break it."""

    def heal(self) -> None:  # noqa: B027 - some heal by themselves
        """Mend it, whatever else is broken."""


class KillWorker(Fault):
    part = "workers"

    def inject(self) -> None:
        self.scene.crew.remove(self.chance, signal.SIGKILL)


class PauseWorker(Fault):
    """Past the session timeout: it comes back as one whose partitions others have."""

    part = "workers"
    lasts_s = (3.0, 6.0)  # beyond the session timeout

    def inject(self) -> None:
        self.pid = self.scene.crew.pause(self.chance)
        time.sleep(self.scene.settings.session_timeout_s)

    def heal(self) -> None:
        self.scene.crew.resume(self.pid)


class AddWorker(Fault):
    """One more joins, and later one leaves."""

    part = "workers"
    lasts_s = (4.0, 8.0)

    def inject(self) -> None:
        self.scene.crew.add()

    def heal(self) -> None:
        self.scene.crew.remove(self.chance, signal.SIGTERM)


class RewindGroup(Fault):
    """Events that were committed are delivered again."""

    part = "workers"

    def inject(self) -> None:
        group = self.scene.settings.group
        self.count = self.scene.crew.end_all()

        def rewound() -> bool:
            try:
                with closing(self.scene.cluster.admin()) as admin:
                    state = admin.describe_groups([group])[group]["group_state"]
                    if state not in ("Empty", "Dead"):  # killed members are still remembered
                        return False
                    back = {
                        tp: OffsetAndMetadata(
                            max(0, o.offset - self.chance.randrange(3_000)), "", None
                        )
                        for tp, o in sorted(admin.list_group_offsets(group)[group].items())
                        if self.chance.random() < 0.25
                    }
                    if back:
                        admin.alter_group_offsets(group, back)
            except (KafkaError, OSError, KeyError):
                return False
            return True

        wait_until("the group's offsets are turned back", rewound)

    def heal(self) -> None:
        for _ in range(self.count):
            self.scene.crew.add()


class KillBroker(Fault):
    """Its partitions get other leaders; it comes back on its own data."""

    part = "brokers"
    lasts_s = (3.0, 12.0)

    def inject(self) -> None:
        self.node = self.chance.choice([1, 2, 3])
        self.scene.cluster.signal_broker(self.node, signal.SIGKILL)

    def heal(self) -> None:
        self.scene.cluster.start_broker(self.node)


class MoveLeaders(Fault):
    part = "brokers"

    def inject(self) -> None:
        self.scene.cluster.move_leaders(self.scene.topics, self.chance.randrange(3))


class StopPostgres(Fault):
    """A fast shutdown, as by an operator."""

    part = "postgres"
    lasts_s = (1.0, 6.0)
    sent: ClassVar[signal.Signals] = signal.SIGINT

    def inject(self) -> None:
        self.scene.cluster.stop_postgres(self.sent)

    def heal(self) -> None:
        self.scene.cluster.start_postgres()


class KillPostgres(StopPostgres):
    """Killed with -9: it recovers from its log."""

    sent = signal.SIGKILL


class CutConnections(Fault):
    part = "postgres"

    def inject(self) -> None:
        self.scene.cluster.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


class RefuseDisk(Fault):
    """Inserts fail as on a full disk."""

    part = "postgres"
    lasts_s = (2.0, 8.0)

    def inject(self) -> None:
        self.table = self.chance.choice(("touches", "revenue", "identities", "dead_letters"))
        self.scene.cluster.execute(
            "create or replace function public.refuse() returns trigger language plpgsql as "
            "$$ begin raise exception 'no space left on device' using errcode = '53100'; end $$; "
            f"create or replace trigger refuse before insert on stream.{self.table} "
            "for each row execute function public.refuse()"
        )

    def heal(self) -> None:
        self.scene.cluster.execute(f"drop trigger if exists refuse on stream.{self.table}")


class LockTable(Fault):
    """Batches are slow: somebody holds a table."""

    part = "postgres"
    lasts_s = (2.0, 10.0)

    def inject(self) -> None:
        table = self.chance.choice(("touches", "progress", "spend"))
        self.connection = None
        with suppress(psycopg2.OperationalError):
            self.connection = psycopg2.connect(self.scene.cluster.database_url, connect_timeout=2)
            self.connection.cursor().execute(
                f"set lock_timeout = '5s'; lock table stream.{table} in share mode"
            )

    def heal(self) -> None:
        if self.connection is not None:
            self.connection.close()


class KillProducer(Fault):
    """``bizops produce`` killed with -9 in the midst of a file, and run again to its end."""

    part = "producer"

    def inject(self) -> None:
        feeder, numbers = self.scene.feeder, self.scene.feeder.take(5_000)
        self.numbers = [n for n in numbers if feeder.world.make(n).verdict == "stored"]
        self.others = sorted(set(numbers) - set(self.numbers))
        self.file = self.scene.folder / f"extract-{numbers.start}.jsonl.gz"
        with gzip.open(self.file, "wb", compresslevel=1) as file:
            for number in self.numbers:
                file.write(feeder.world.make(number).value + b"\n")
        process = self._produce("-")
        share = self.chance.uniform(0.2, 0.9)
        with (
            gzip.open(self.file) as file,
            suppress(BrokenPipeError),
            closing(process.stdin) as pipe,
        ):
            # A pipe holds 64 KiB: what was written beyond has been read, and most of it sent.
            for number, line in enumerate(file):
                if number > share * len(self.numbers):
                    break
                pipe.write(line)
            process.kill()
        process.wait()

    def heal(self) -> None:
        for _ in range(5):
            if self._produce(str(self.file), stdin=subprocess.DEVNULL).wait(300) == 0:
                break
        else:
            raise RuntimeError(f"bizops produce jsonl {self.file} never got through")
        self.scene.feeder.acknowledged[self.numbers] = True
        self.scene.feeder.publish_again(self.others)  # what no producer of ours would publish
        self.file.unlink()

    def _produce(self, file: str, stdin: int = subprocess.PIPE) -> Any:
        settings = self.scene.settings
        environment = os.environ | {
            "BIZOPS_HOME": str(settings.home),
            "BIZOPS_KAFKA": self.scene.cluster.endpoints.kafka,
            "BIZOPS_TOPIC_PREFIX": settings.topic_prefix,
        }
        return subprocess.Popen(
            [Path(sys.executable).with_name("bizops"), "produce", "jsonl", file],
            env=environment,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


class RepublishEvents(Fault):
    """The same events are published once more, as by an extraction that overlaps the last."""

    part = "producer"

    def inject(self) -> None:
        feeder = self.scene.feeder
        count = min(feeder.fed, 3_000)
        first = self.chance.randrange(max(1, feeder.fed - count))
        feeder.publish_again(range(first, first + count))


KINDS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (
        KillWorker, PauseWorker, AddWorker, RewindGroup, KillBroker, MoveLeaders, StopPostgres,
        KillPostgres, CutConnections, RefuseDisk, LockTable, KillProducer, RepublishEvents,
    )
}  # fmt: skip
"""Every kind by its name."""

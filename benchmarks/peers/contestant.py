"""What every contestant is to the benchmark: processes that bring a topic into a table."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.peers.environments import confluent_path
from bizops.endpoints import Endpoints
from bizops.settings import Settings

__all__ = ["PLAIN_COLUMNS", "Contestant", "Target", "environment"]

ROOT = Path(__file__).parents[2]
PLAIN_COLUMNS = (
    "event_id", "source", "occurred_at", "channel", "campaign_id", "anonymous_id", "touch_type",
)  # fmt: skip
STOP_WITHIN_S = 20.0


@dataclass(frozen=True)
class Target:
    """What a contestant reads, and the table it writes.

    Attributes
    ----------
    settings
        Their prefix names the topic, their group is the contestant's own.
    table
        With its schema, such as ``bench.quix``.
    commit_every_s
        For a peer that is told how long to gather: short where latency is measured.
    """

    settings: Settings
    endpoints: Endpoints
    table: str
    commit_every_s: float = 0.5

    @property
    def topic(self) -> str:
        return self.settings.topic("touches")


def environment(target: Target) -> dict[str, str]:
    """For any Python process of the benchmark: this repository, and confluent-kafka behind it."""
    return os.environ | {
        "BIZOPS_HOME": str(target.settings.home),
        "BIZOPS_KAFKA": target.endpoints.kafka,
        "BIZOPS_DATABASE_URL": target.endpoints.database_url,
        "BIZOPS_TOPIC_PREFIX": target.settings.topic_prefix,
        "BIZOPS_GROUP": target.settings.group,
        "BENCH_TABLE": target.table,
        "BENCH_COMMIT_S": str(target.commit_every_s),
        "PYTHONPATH": f"{ROOT}:{confluent_path()}",
    }


@dataclass
class Contestant:
    """So many equal processes; a peer of another shape overrides :meth:`command` or more.

    Attributes
    ----------
    name
        As it stands in the table of results.
    real
        Whether it does our real writes, into ``stream.touches``.
    size
        Processes, or tasks of one process.
    module
        Run with ``python -m``.
    """

    name: str
    module: str = ""
    real: bool = False
    size: int = 1
    warm: bool = False
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def command(self, target: Target) -> Sequence[str | Path]:
        return [sys.executable, "-m", self.module]

    def start(self, target: Target, log: Path) -> None:
        """Start all processes on a group that may be new."""
        with log.open("ab") as output:
            for _ in range(self.size):
                self.processes.append(
                    subprocess.Popen(
                        self.command(target), env=environment(target), start_new_session=True,
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output,
                    )
                )  # fmt: skip

    def pause(self) -> None:
        """Stop reading; a peer that has to warm up keeps its process."""
        self.stop()

    def check(self) -> None:
        """Raise if a process ended by itself."""
        for process in self.processes:
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} ended by itself with {process.returncode}")

    def tree(self) -> list[psutil.Process]:
        """All its processes and theirs."""
        found = []
        for process in self.processes:
            try:
                one = psutil.Process(process.pid)
                found += [one, *one.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        return found

    def kill(self) -> None:
        """End everything at once, as a crash would."""
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in self.processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                break
        self.kill()

"""Worker processes that share the partitions, watched: one that dies is an error, not a silence."""

import itertools
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kafka.errors import KafkaError

from bizops.database import opened
from bizops.endpoints import Endpoints
from bizops.errors import ServiceError
from bizops.settings import Settings
from bizops.topics import ensure_topics
from streams.endings import take_reason
from streams.lag import Lag
from streams.suppression_key import check_key

__all__ = ["WorkerPool"]

log = logging.getLogger("bizops.stream")

LOOK_EVERY_S = 0.2
STOP_WITHIN_S = 20.0


@dataclass
class WorkerPool:
    """So many stream workers, as processes of their own.

    Attributes
    ----------
    settings, endpoints
        What the workers read and write; handed on by the environment, never on a command line,
        where others could read a password.
    size
        How many workers.
    """

    settings: Settings
    endpoints: Endpoints
    size: int = 1
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    _indexes: dict["subprocess.Popen[bytes]", int] = field(default_factory=dict, repr=False)

    def start(self) -> None:
        """Make the topics and start the workers.

        Raises
        ------
        ServiceError
            If Kafka or PostgreSQL cannot be reached, or the schema is not there.
        SuppressionKeyError
            If people were forgotten under a key that is not here.
        """
        check_schema(self.endpoints.database_url)
        with opened(self.endpoints.database_url) as connection, connection.cursor() as cursor:
            check_key(cursor, self.settings)
        ensure_topics(self.settings, self.endpoints.kafka)
        for _ in range(self.size):
            self.processes.append(self.start_worker())

    def start_worker(self) -> "subprocess.Popen[bytes]":
        """Start one more worker in the same group."""
        kafka, database_url = self.endpoints.kafka, self.endpoints.database_url
        settings = replace(self.settings, kafka=kafka, database_url=database_url)
        taken = {index for process, index in self._indexes.items() if process.poll() is None}
        index = next(index for index in itertools.count() if index not in taken)
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.worker"],
            env=os.environ | settings.environment() | settings.watching.environment(index),
            start_new_session=True,
            stdout=subprocess.DEVNULL,  # Faust draws there; what it has to say is on stderr
        )
        take_reason(settings.home, process.pid)  # of a process that had this id before
        self._indexes[process] = index
        return process

    def run(
        self,
        *,
        until_caught_up: bool,
        progress: Callable[[int, int], None] = lambda done, published: None,
    ) -> int:
        """Watch the workers until they are stopped, or all published so far is stored.

        Parameters
        ----------
        until_caught_up
            Return once every event that was published before this call is in PostgreSQL.
        progress
            Called with the events stored and published, in that order, as they change.

        Returns
        -------
        Events that were stored while it ran, dead letters included.

        Raises
        ------
        ServiceError
            If a worker ends by itself; what it had not stored yet comes again with the next one.
        KafkaError
            If Kafka goes away where it is to end; else it is waited for, as the workers do.
        """
        lag = Lag(self.settings, self.endpoints.kafka)
        try:
            published = lag.published()
            first = behind = lag.behind(published)
            while behind or not until_caught_up:
                progress(first - behind, first)
                self.check()
                time.sleep(LOOK_EVERY_S)
                try:
                    if not until_caught_up:
                        published = lag.published()
                    behind = lag.behind(published)
                except KafkaError as error:
                    if until_caught_up:
                        raise
                    log.warning("Kafka is away, and the workers wait for it: %s", error)
            progress(first, first)
            return first
        finally:
            lag.close()

    def check(self) -> None:
        """Raise if a worker has ended."""
        for process in self.processes:
            code = process.poll()
            if code is not None:
                reason = take_reason(self.settings.home, process.pid)
                if reason is not None:
                    raise ServiceError(f"stream worker {process.pid} stopped: {reason}")
                raise ServiceError(
                    f"stream worker {process.pid} ended by itself with {_cause(code)}; "
                    "what it had not stored comes again when `bizops stream` runs again"
                )

    def stop(self) -> None:
        """Stop all workers: asked first, killed where they do not listen."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in self.processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()


def check_schema(database_url: str) -> None:
    """Raise if the tables that workers write are not there."""
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('stream.suppressions') is not null")
        if cursor.fetchone() != (True,):
            raise ServiceError(
                "the database has no schema yet, or an older one: run `bizops migrate`"
            )


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

"""One worker process: the Faust app whose only agent hands batches to the store.

The shape is the one that loses nothing (docs/decisions/0002): raw bytes, so that nothing can fail
before the handler; one batch at a time; acknowledged only after its transaction is committed. A
database that is away is waited for in place, and anything else ends the process, because an agent
that Faust restarts would go on after the events it failed on.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import faust
import psycopg2

from bizops.database import connect
from bizops.endpoints import Endpoints, find_endpoints
from bizops.errors import BizopsError, ServiceError
from bizops.settings import Settings
from bizops.topics import TOPICS
from streams import consumer
from streams.records import Record
from streams.store import Store, Written

__all__ = ["PatientStore", "build_app", "main"]

log = logging.getLogger("bizops.stream")

FETCH_EVENTS = 2000  # at most so many records an item
BATCH_ITEMS, BATCH_WITHIN_S = 4, 0.02  # at most so many items a transaction
BUFFERED_ITEMS = 16
SESSION_TIMEOUT_S = 15.0  # a killed worker's partitions move on after this long
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
EXIT_FAILED = 70


@dataclass
class PatientStore:
    """A store that waits for its database: opened when needed, opened again when it was away.

    Attributes
    ----------
    open_store
        Opens a connection and makes a store of it.
    sleep
        Waits so many seconds; passed in so that tests need not.
    """

    open_store: Callable[[], Store]
    sleep: Callable[[float], None] = time.sleep
    store: Store | None = None

    def write(self, records: Sequence[Record]) -> Written:
        """Write a batch, as often as it takes; only a fault of ours is raised."""
        wait = FIRST_WAIT_S
        while True:
            try:
                if self.store is None:
                    self.store = self.open_store()
                return self.store.write(records)
            except (psycopg2.OperationalError, psycopg2.InterfaceError, ServiceError) as error:
                log.warning(
                    "PostgreSQL is away, waiting %.1f s: %s", wait, str(error).partition("\n")[0]
                )
                self._close()
            self.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _close(self) -> None:
        if self.store is not None:
            self.store.connection.close()
            self.store = None


def build_app(settings: Settings, endpoints: Endpoints) -> Any:
    """The Faust app of one worker; more workers of the same group share the partitions."""
    folder = settings.home / "faust"
    folder.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        settings.group,
        broker=[f"{consumer.SCHEME}://{server}" for server in endpoints.kafka.split(",")],
        store="memory://",
        datadir=str(folder),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=BUFFERED_ITEMS,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=0.5,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=SESSION_TIMEOUT_S / 5,
        broker_max_poll_records=FETCH_EVENTS,
    )
    names = [settings.topic(name) for name in TOPICS]
    topic = app.topic(*names, key_serializer="raw", value_serializer="raw")
    patient = PatientStore(
        lambda: Store(
            connect(endpoints.database_url, application="bizops-stream"), settings.topic_prefix
        )
    )
    executor = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def store_events(stream: Any) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for items in stream.noack_take(BATCH_ITEMS, within=BATCH_WITHIN_S):
                records = [record for item in items for record in _records(item.message)]
                written = await loop.run_in_executor(executor, patient.write, records)
                _report(written)
                for item in items:
                    item.ack()
        except asyncio.CancelledError:
            raise
        except BaseException:
            log.critical(
                "the stream cannot go on and ends, so that nothing is skipped", exc_info=True
            )
            _end_process()

    app.agent(topic, concurrency=1)(store_events)
    return app


def _records(item: Any) -> list[Record]:
    topic, partition = item.topic, item.partition
    return [
        Record(topic, partition, raw.offset, raw.timestamp / 1000.0, raw.key, raw.value)
        for raw in item.value
    ]


def _report(written: Written) -> None:
    for topic, partition, expected, found in written.gaps:
        log.error("offset gap in %s/%d: expected %d, found %d", topic, partition, expected, found)
    for reason, count in written.dead.items():
        log.warning("%d dead letters: %s", count, reason)


def _end_process() -> None:
    """Leave at once, without Faust's clean stop, which would commit."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_FAILED)


def main() -> None:
    """Run one worker until it is stopped by SIGTERM or SIGINT."""
    settings = Settings.from_environment()
    try:
        endpoints = find_endpoints(settings)
    except BizopsError as error:
        print(f"bizops: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    app = build_app(settings, endpoints)
    coordinator = logging.getLogger("aiokafka.consumer.group_coordinator")
    coordinator.setLevel(logging.ERROR)  # each join and leave of another worker is a warning there
    coordinator.addFilter(lambda record: "NotAvailable" not in record.getMessage())  # a new cluster
    faust.Worker(app, loglevel="WARN", quiet=True, override_logging=True).execute_from_commandline()


if __name__ == "__main__":
    main()

"""One worker process: the Faust app whose only agent hands batches to the store.

The shape is the one that loses nothing (docs/decisions/0002): raw bytes, so that nothing can fail
before the handler; one batch at a time; acknowledged only after its transaction is committed. A
database that is away is waited for in place, and anything else ends the process, because an agent
that Faust restarts would go on after the events it failed on.
"""

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import faust
import psycopg2

from bizops.database import connect
from bizops.endpoints import Endpoints, find_endpoints
from bizops.errors import BizopsError, ServiceError
from bizops.kafka_clients import keep_secrets_out_of_logs
from bizops.kafka_security import KafkaSecurity
from bizops.settings import Settings
from bizops.topics import TOPICS
from streams import consumer
from streams.endings import leave_reason
from streams.limits import Limits
from streams.logs import set_up_logging
from streams.probes import serve
from streams.records import Record, Written
from streams.refusals import will_pass
from streams.store import Store
from streams.suppression_key import find_key
from streams.taking import take_ready
from streams.watch import Watch, watch_store

__all__ = ["PatientStore", "build_app", "collect_garbage_seldom", "main"]

log = logging.getLogger("bizops.stream")

FETCH_EVENTS = 4000  # at most so many records an item
BATCH_EVENTS = 8000  # a transaction takes no further item from so many records on
BUFFERED_ITEMS = 16
METADATA_AGE_MS = 10_000  # aiokafka asks an old leader for offsets until it looks again: 5 min
HEARTBEAT_S = 1.0  # a worker hears of others that join and leave only when it sends one
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
    retries
        How often a batch was tried again.
    away_since, refusal
        While the database is away, since when by ``time.monotonic``, and what it said.
    """

    open_store: Callable[[], Store]
    sleep: Callable[[float], None] = time.sleep
    store: Store | None = None
    retries: int = 0
    away_since: float | None = None
    refusal: str = ""

    def write(self, records: Sequence[Record]) -> Written:
        """Write a batch, as often as it takes; only a fault of ours is raised."""
        wait = FIRST_WAIT_S
        while True:
            try:
                if self.store is None:
                    self.store = self.open_store()
                written = self.store.write(records)
            except (psycopg2.Error, ServiceError) as error:
                if not will_pass(error):
                    raise
                self.refusal = str(error).partition("\n")[0] or type(error).__name__
                log.warning("PostgreSQL is away, waiting %.1f s: %s", wait, self.refusal)
                self._close()
            else:
                self.away_since, self.refusal = None, ""
                return written
            if self.away_since is None:
                self.away_since = time.monotonic()
            self.retries += 1
            self.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _close(self) -> None:
        if self.store is not None:
            self.store.connection.close()
            self.store = None


def build_app(settings: Settings, endpoints: Endpoints) -> tuple[Any, Watch]:
    """The Faust app of one worker, and its watch; workers of a group share the partitions."""
    folder = settings.home / "faust"
    folder.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        settings.group,
        broker_credentials=_credentials(settings.kafka_security),
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
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(HEARTBEAT_S, settings.session_timeout_s / 5),
        broker_max_poll_records=FETCH_EVENTS,
        consumer_metadata_max_age_ms=METADATA_AGE_MS,
    )
    names = [settings.topic(name) for name in TOPICS]
    topic = app.topic(*names, key_serializer="raw", value_serializer="raw")
    patient = PatientStore(lambda: open_store(settings, endpoints))
    watch = watch_store(patient, settings, endpoints.database_url)
    executor = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def store_events(stream: Any) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for items in take_ready(stream, most_records=BATCH_EVENTS):
                records = list(chain.from_iterable(item.value for item in items))
                await loop.run_in_executor(executor, watch.write, records)
                for item in items:
                    item.ack()
        except asyncio.CancelledError:
            raise
        except BizopsError as error:
            log.critical("the stream stops: %s", error)
            leave_reason(settings.home, os.getpid(), str(error))
            _end_process(error.exit_code)
        except BaseException:
            log.critical(
                "the stream cannot go on and ends, so that nothing is skipped", exc_info=True
            )
            _end_process(EXIT_FAILED)

    app.agent(topic, concurrency=1)(store_events)
    return app, watch


def open_store(settings: Settings, endpoints: Endpoints) -> Store:
    """A store whose locks do not outlive its worker's membership in the group.

    A worker that is stopped in the middle of a transaction holds the rows it wrote, and those who
    took over its partitions write the same ones. So the server ends a session that stands still
    for as long as Kafka waits for a worker; the batch is written again then.
    """
    connection = connect(endpoints.database_url, application="bizops-stream")
    with connection, connection.cursor() as cursor:
        still_ms = int(settings.session_timeout_s * 1000)
        cursor.execute("set idle_in_transaction_session_timeout = %s", (still_ms,))
    return Store(
        connection,
        settings.topic_prefix,
        limits=Limits(settings.dead_letter_run, settings.dead_letter_share),
        find_key=lambda: find_key(settings),
    )


def _credentials(security: KafkaSecurity) -> Any:
    """What Faust hands on to aiokafka; the context makes brokers prove their names."""
    keep_secrets_out_of_logs(security)
    context = security.ssl_context()
    if security.sasl:
        return faust.SASLCredentials(
            username=security.username,
            password=security.password,
            mechanism=security.mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def _end_process(code: int) -> None:
    """Leave at once, without Faust's clean stop, which would commit."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def collect_garbage_seldom() -> None:
    """Look for cycles less often: a batch is many objects that live until it is stored.

    With Python's own thresholds each batch sets off collections that look through all objects
    there are and find nothing: 30 % of a worker's CPU time (docs/decisions/0013).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def main() -> None:
    """Run one worker until it is stopped by SIGTERM or SIGINT."""
    try:
        settings = Settings.from_environment()
        watching = settings.watching
        set_up_logging(watching.log_format)
        app, watch = build_app(settings, find_endpoints(settings))
        if watching.metrics_port is not None:
            serve(watch, watch.metrics.registry, watching.metrics_host, watching.metrics_port)
    except BizopsError as error:
        print(f"bizops: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    coordinator = logging.getLogger("aiokafka.consumer.group_coordinator")
    coordinator.setLevel(logging.ERROR)  # each join and leave of another worker is a warning there
    coordinator.addFilter(lambda record: "NotAvailable" not in record.getMessage())  # a new cluster
    collect_garbage_seldom()
    worker = faust.Worker(app, quiet=True, override_logging=False)
    watch.start(app, worker.loop)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()

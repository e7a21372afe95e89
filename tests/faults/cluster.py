"""Three brokers and a PostgreSQL that a test may break: each part killed and started by itself."""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace

import psutil
import psycopg2
from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError

from bizops.local.kafka import answers, start_broker
from bizops.local.postgres import start_postgres
from bizops.local.processes import find_in_folder, is_running
from bizops.local.services import broker_folder, up
from bizops.local.state import Broker, load_installation, load_running, save_running
from bizops.settings import Settings

__all__ = ["Cluster", "wait_until"]

PREFERRED = 0  # as opposed to unclean


def wait_until(what: str, ready: Callable[[], bool], seconds: float = 120.0) -> None:
    """Look until something is so.

    Raises
    ------
    TimeoutError
        If it is not within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {seconds:.0f} s")
        time.sleep(0.2)


class Cluster:
    """Services of one home; calls may come from several threads."""

    def __init__(self, settings: Settings) -> None:
        self.home = settings.home
        self.endpoints = up(settings, 3)
        installation = load_installation(self.home)
        assert installation is not None
        self.installation = installation
        self._lock = threading.Lock()

    def admin(self) -> KafkaAdminClient:
        """A client that the caller closes."""
        return KafkaAdminClient(bootstrap_servers=self.endpoints.kafka.split(","))

    # -- brokers ----------------------------------------------------------------------------------

    def broker(self, node: int) -> Broker:
        """One broker, running or not."""
        with self._lock:
            return next(b for b in load_running(self.home).brokers if b.node_id == node)

    def signal_broker(self, node: int, sent: signal.Signals) -> None:
        """Send a signal to one broker."""
        process = self.broker(node).process
        if is_running(process):
            psutil.Process(process.pid).send_signal(sent)

    def start_broker(self, node: int) -> None:
        """Start a broker that was killed; returns when it answers and all replicas are in sync."""
        old = self.broker(node)
        wait_until("a killed broker is gone", lambda: not is_running(old.process), 20)
        folder = broker_folder(self.home, node)
        started = start_broker(node, self.installation, folder, old.log)
        with self._lock:
            running = load_running(self.home)
            brokers = tuple(started if b.node_id == node else b for b in running.brokers)
            save_running(self.home, replace(running, brokers=brokers))
        wait_until(f"broker {node} answers", lambda: answers(started.port))
        wait_until(f"all replicas are in sync with broker {node}", self.in_sync)

    def in_sync(self) -> bool:
        """Whether every partition has all its replicas in sync."""
        try:
            with closing(self.admin()) as admin:
                return all(
                    set(p["isr_nodes"]) == set(p["replica_nodes"])
                    for topic in admin.describe_topics()
                    for p in topic["partitions"]
                )
        except (KafkaError, OSError):
            return False

    def move_leaders(self, topics: list[str], shift: int) -> None:
        """Give every partition another order of replicas, and its lead to the first of them."""
        with closing(self.admin()) as admin:
            partitions = {
                TopicPartition(topic["name"], p["partition_index"]): sorted(p["replica_nodes"])
                for topic in admin.describe_topics(topics)
                for p in topic["partitions"]
            }
            turned = {}
            for tp, nodes in partitions.items():
                turn = (tp.partition + shift) % len(nodes)
                turned[tp] = nodes[turn:] + nodes[:turn]
            admin.alter_partition_reassignments(turned)
            wait_until("replicas have moved", lambda: not admin.list_partition_reassignments())
            with suppress(KafkaError):  # those that lead already
                admin.elect_leaders(PREFERRED, topics, raise_errors=False)

    # -- PostgreSQL -------------------------------------------------------------------------------

    def stop_postgres(self, sent: signal.Signals) -> None:
        """SIGINT is a fast shutdown; after SIGKILL the server's children are ended too."""
        running = load_running(self.home).postgres
        assert running is not None
        if is_running(running.process):
            psutil.Process(running.process.pid).send_signal(sent)
        wait_until("PostgreSQL has ended", lambda: not is_running(running.process), 60)
        data = self.installation.postgres_folder / "data"
        for child in find_in_folder(data, "postgres"):
            with suppress(psutil.NoSuchProcess):
                psutil.Process(child.pid).kill()
        wait_until("its children have ended", lambda: not find_in_folder(data, "postgres"), 20)

    def start_postgres(self) -> None:
        """Start it again on its own data; returns when it takes writes."""
        started = start_postgres(self.installation, self.home / "logs")
        with self._lock:
            save_running(self.home, replace(load_running(self.home), postgres=started))
        wait_until("PostgreSQL answers", self.postgres_answers)

    def postgres_answers(self) -> bool:
        """Whether a connection can be opened."""
        try:
            psycopg2.connect(self.endpoints.database_url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def execute(self, statement: str, parameters: tuple[object, ...] = ()) -> None:
        """Run a statement as its own transaction, again until the server takes it."""

        def done() -> bool:
            try:
                connection = psycopg2.connect(self.database_url, connect_timeout=2)
                with closing(connection), connection, connection.cursor() as cursor:
                    cursor.execute("set lock_timeout = '2s'")
                    cursor.execute(statement, parameters)
            except psycopg2.OperationalError:
                return False
            return True

        wait_until("PostgreSQL takes a statement", done)

    @property
    def database_url(self) -> str:
        """The database that workers write to."""
        return self.endpoints.database_url

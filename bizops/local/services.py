"""Start, stop and look at both services of one installation."""

import random
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bizops.endpoints import Endpoints
from bizops.errors import ServiceError, UsageError
from bizops.local.binaries import COPY_PREFIX
from bizops.local.external import check_external_database, check_external_kafka
from bizops.local.kafka import await_brokers, start_broker, stop_brokers
from bizops.local.places import choose_postgres_folder, prepare_folder, service_identity
from bizops.local.plan import require_pins, with_ports
from bizops.local.postgres import await_postgres, start_postgres, stop_postgres
from bizops.local.processes import is_running
from bizops.local.state import (
    INSTALLATION_FILE,
    Installation,
    Running,
    load_installation,
    load_running,
    locked,
    save_installation,
    save_running,
)
from bizops.settings import STATE_FILE, Settings

__all__ = ["down", "purge", "up"]

Say = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def up(settings: Settings, brokers: int | None = None, *, say: Say = _silent) -> Endpoints:
    """Start what doesn't run yet and return when Kafka and PostgreSQL both answer.

    A service named by the environment is checked and never started. What crashed since it was
    started is started again on its own data.

    Parameters
    ----------
    settings
        Where state is kept, pinned ports and services that are not ours.
    brokers
        Kafka brokers, 1 or 3; None for as many as this installation has, 1 in a new one.
    say
        Told in a sentence what is being done.

    Raises
    ------
    UsageError
        If a pinned port is taken, or the installation has another number of brokers.
    ServiceError
        If a service can't be started or reached; with the end of its log.
    """
    if brokers not in (None, 1, 3):
        raise UsageError(f"a cluster of {brokers} brokers is not offered; expected 1 or 3")
    if settings.kafka:
        check_external_kafka(settings.kafka, settings.kafka_security)
    if settings.database_url:
        check_external_database(settings.database_url)
    if settings.kafka and settings.database_url:
        return Endpoints(kafka=settings.kafka, database_url=settings.database_url)
    with locked(settings.home):
        installation = _installation(settings, brokers)
        running = _alive(load_running(settings.home), say)
        require_pins(settings, running)
        _end_strays(settings, installation, running)
        installation = with_ports(installation, running, settings, rng=random.Random())
        save_installation(settings.home, installation)
        running = _start(settings, installation, running, say)
    bootstrap = ",".join(f"127.0.0.1:{broker.port}" for broker in running.brokers)
    url = running.postgres.url if running.postgres else ""
    return Endpoints(kafka=settings.kafka or bootstrap, database_url=settings.database_url or url)


def _installation(settings: Settings, brokers: int | None) -> Installation:
    kept = load_installation(settings.home)
    if kept is None:
        folder = choose_postgres_folder(settings.home, service_identity())
        return Installation.new(brokers or 1, folder)
    if brokers not in (None, kept.brokers) and not settings.kafka:
        raise UsageError(
            f"the Kafka under {settings.home} has {kept.brokers} broker(s), not {brokers}: "
            f"`bizops down --purge` deletes it, or set BIZOPS_HOME to another folder"
        )
    return kept


def _alive(running: Running, say: Say) -> Running:
    """What of it still runs."""
    for broker in running.brokers:
        if not is_running(broker.process):
            say(f"Kafka broker {broker.node_id} had crashed: its log is {broker.log}")
    postgres = running.postgres
    if postgres and not is_running(postgres.process):
        say(f"PostgreSQL had crashed: its log is {postgres.log}")
        postgres = None
    return Running(
        tuple(broker for broker in running.brokers if is_running(broker.process)), postgres
    )


def _end_strays(settings: Settings, installation: Installation, running: Running) -> None:
    """End what of ours runs unrecorded: a start that was interrupted, children of a crash."""
    alive = {broker.node_id for broker in running.brokers}
    stray = [node for node in range(1, installation.brokers + 1) if node not in alive]
    if stray and not settings.kafka:
        stop_brokers([], [broker_folder(settings.home, node) for node in stray])
    if running.postgres is None and not settings.database_url:
        stop_postgres(installation.postgres_folder, None)


def _start(settings: Settings, installation: Installation, running: Running, say: Say) -> Running:
    """Start both side by side; record each as soon as it has a process, then wait for them."""
    logs = settings.home / "logs"
    alive = {broker.node_id: broker for broker in running.brokers}
    nodes = range(1, installation.brokers + 1) if not settings.kafka else ()
    missing = [node for node in nodes if node not in alive]
    with ThreadPoolExecutor(4) as pool:
        starting = {
            node: pool.submit(
                start_broker,
                node,
                installation,
                broker_folder(settings.home, node),
                logs / f"kafka-{node}.log",
            )
            for node in missing
        }
        postgres = running.postgres
        if not settings.database_url and postgres is None:
            say(f"starting PostgreSQL, its data in {installation.postgres_folder}")
            prepare_folder(installation.postgres_folder, service_identity())
            postgres = start_postgres(installation, logs)
            save_running(settings.home, replace(running, postgres=postgres))
        if missing:
            say(f"starting Kafka, its data in {settings.home / 'kafka'}")
        started = {node: future.result() for node, future in starting.items()}
    brokers = tuple(broker for _, broker in sorted({**alive, **started}.items()))
    running = Running(brokers, postgres)
    save_running(settings.home, running)
    if postgres:
        await_postgres(postgres, installation)
    if brokers:
        await_brokers(brokers)
    return running


def broker_folder(home: Path, node_id: int) -> Path:
    """Folder of one broker's configuration and data."""
    return home / "kafka" / str(node_id)


def down(settings: Settings) -> bool:
    """Stop everything that was started under this home; its data stays.

    Returns
    -------
    Whether anything was running.

    Raises
    ------
    ServiceError
        If a process can't be ended, or belongs to somebody else.
    """
    if not settings.home.exists():
        return False
    with locked(settings.home):
        return _stop(settings.home)


def _stop(home: Path) -> bool:
    try:
        running = load_running(home)
    except ServiceError:
        # Whatever runs is found by the folder it works in.
        running = Running()
    brokers = [broker.process for broker in running.brokers]
    postgres = running.postgres.process if running.postgres else None
    with ThreadPoolExecutor(1) as pool:
        kafka = pool.submit(stop_brokers, brokers, sorted((home / "kafka").glob("*")))
        stopped = stop_postgres(_postgres_folder(home), postgres)
        stopped = kafka.result() or stopped
    (home / STATE_FILE).unlink(missing_ok=True)
    return stopped


def _postgres_folder(home: Path) -> Path:
    try:
        installation = load_installation(home)
    except ServiceError:
        installation = None
    if installation:
        return installation.postgres_folder
    return choose_postgres_folder(home, service_identity())


def purge(settings: Settings) -> None:
    """Stop everything and delete Kafka's and PostgreSQL's data, logs and secrets.

    Nothing else under the home is touched, so that a home set to the wrong folder loses nothing.

    Raises
    ------
    ServiceError
        If a process can't be ended.
    """
    home = settings.home
    if not home.exists():
        return
    with locked(home):
        _stop(home)
        folder = _postgres_folder(home)
        copies = folder.parent.glob(f"{COPY_PREFIX}*")
        for one in (folder, *copies, home / "kafka", home / "logs"):
            shutil.rmtree(one, ignore_errors=True)
        if folder.parent != home and folder.parent.exists():
            folder.parent.rmdir()
        for name in (INSTALLATION_FILE, STATE_FILE):
            (home / name).unlink(missing_ok=True)

"""What is kept on disk: choices made once for an installation, and what runs now."""

import fcntl
import json
import os
import secrets
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bizops.errors import ServiceError
from bizops.local.processes import Process
from bizops.settings import STATE_FILE

__all__ = [
    "INSTALLATION_FILE",
    "Broker",
    "Installation",
    "Postgres",
    "Running",
    "load_installation",
    "load_running",
    "locked",
    "save_installation",
    "save_running",
]

INSTALLATION_FILE = "installation.json"
LOCK_WAIT_S = 180.0


@dataclass(frozen=True)
class Installation:
    """Choices made at the first start and kept, secrets among them.

    Attributes
    ----------
    brokers
        Kafka brokers: 1 or 3.
    cluster_id
        Kafka's name for the cluster, 22 characters of URL-safe base64.
    password
        Of PostgreSQL's role ``bizops``.
    kafka_ports, controller_ports
        One a broker, in the order of their node ids; empty before the first start.
    postgres_port
        None before the first start.
    postgres_folder
        Where PostgreSQL keeps its data.
    """

    brokers: int
    cluster_id: str
    password: str
    postgres_folder: Path
    kafka_ports: tuple[int, ...] = ()
    controller_ports: tuple[int, ...] = ()
    postgres_port: int | None = None

    @classmethod
    def new(cls, brokers: int, postgres_folder: Path) -> "Installation":
        """An installation that has never been started."""
        return cls(
            brokers=brokers,
            cluster_id=urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
            password=secrets.token_urlsafe(24),
            postgres_folder=postgres_folder,
        )


@dataclass(frozen=True)
class Broker:
    """One running Kafka broker.

    Attributes
    ----------
    node_id
        From 1.
    process, port, log
        What runs, where it listens and where it writes.
    """

    node_id: int
    process: Process
    port: int
    log: Path


@dataclass(frozen=True)
class Postgres:
    """The running PostgreSQL."""

    process: Process
    port: int
    log: Path
    url: str


@dataclass(frozen=True)
class Running:
    """What was started and not stopped; a service in it may have crashed since."""

    brokers: tuple[Broker, ...] = ()
    postgres: Postgres | None = field(default=None)


def load_installation(home: Path) -> Installation | None:
    """Choices kept under ``home``, or None before the first start."""
    kept = _read(home / INSTALLATION_FILE)
    if kept is None:
        return None
    try:
        found = Installation(**kept)
    except TypeError as error:
        raise _damaged(home / INSTALLATION_FILE, error) from error
    return replace(
        found,
        postgres_folder=Path(found.postgres_folder),
        kafka_ports=tuple(found.kafka_ports),
        controller_ports=tuple(found.controller_ports),
    )


def save_installation(home: Path, installation: Installation) -> None:
    """Keep choices under ``home``, readable by nobody else."""
    _write(home / INSTALLATION_FILE, asdict(installation))


def load_running(home: Path) -> Running:
    """What was started under ``home``."""
    kept = _read(home / STATE_FILE) or {}
    try:
        brokers = tuple(
            Broker(one["node_id"], Process(**one["process"]), one["port"], Path(one["log"]))
            for one in kept.get("kafka", {}).get("brokers", [])
        )
        one = kept.get("postgres")
        postgres = one and Postgres(
            Process(**one["process"]), one["port"], Path(one["log"]), one["url"]
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged(home / STATE_FILE, error) from error
    return Running(brokers, postgres)


def save_running(home: Path, running: Running) -> None:
    """Record what runs, as :func:`bizops.endpoints.find_endpoints` reads it."""
    if running == Running():
        (home / STATE_FILE).unlink(missing_ok=True)
        return
    content: dict[str, Any] = {}
    if running.brokers:
        content["kafka"] = {
            "bootstrap": ",".join(f"127.0.0.1:{broker.port}" for broker in running.brokers),
            "brokers": [asdict(broker) for broker in running.brokers],
        }
    if running.postgres:
        content["postgres"] = asdict(running.postgres)
    _write(home / STATE_FILE, content)


@contextmanager
def locked(home: Path, *, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold ``home`` for one command that starts or stops services; a second one waits.

    Raises
    ------
    ServiceError
        If ``home`` can't be written, or another command holds it longer than ``wait_s``.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ServiceError(f"{home} (BIZOPS_HOME) can't be written: {error}") from error
    try:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise ServiceError(
                        f"another `bizops up` or `bizops down` has held {home} for {wait_s:.0f} s"
                    ) from error
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise _damaged(path, "not a JSON object")
    return content


def _write(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2, default=str)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _damaged(path: Path, reason: object) -> ServiceError:
    remedy = "run `bizops down`, then `bizops up`" if path.name == STATE_FILE else "restore it"
    return ServiceError(f"{path} can't be read as state of `bizops up` ({reason}): {remedy}")

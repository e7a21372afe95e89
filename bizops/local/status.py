"""What of an installation runs, and whether it answers."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psycopg2

from bizops.errors import BizopsError
from bizops.local.external import check_external_database, check_external_kafka
from bizops.local.kafka import answers
from bizops.local.ports import HOST
from bizops.local.postgres import server_version
from bizops.local.processes import is_running
from bizops.local.state import Broker, Postgres, Running, load_running
from bizops.settings import Settings

__all__ = ["Health", "ServiceStatus", "look"]


class Health(StrEnum):
    """How a service is."""

    HEALTHY = "healthy"
    UNREACHABLE = "unreachable"
    CRASHED = "crashed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ServiceStatus:
    """One process, or one service that isn't ours.

    Attributes
    ----------
    service
        ``kafka``, or ``kafka-1`` and so on for brokers of ours, or ``postgres``.
    health
        ``crashed``: it was started, not stopped, and its process is gone; ``unreachable``: its
        process runs, or it isn't ours, and it doesn't answer.
    pid
        None unless it is ours and runs.
    address
        ``host:port``, or the variable that names it; None where it is stopped.
    log
        Where it writes, if it is ours.
    note
        A sentence.
    """

    service: str
    health: Health
    note: str
    pid: int | None = None
    address: str | None = None
    log: Path | None = None


def look(settings: Settings) -> list[ServiceStatus]:
    """Look at both services; a service that doesn't answer is a result, not an error.

    Raises
    ------
    ServiceError
        If the state under the home can't be read.
    """
    running = load_running(settings.home)
    return [*_kafka(settings, running), _postgres(settings, running.postgres)]


def _kafka(settings: Settings, running: Running) -> list[ServiceStatus]:
    if settings.kafka:
        try:
            note = check_external_kafka(settings.kafka, settings.kafka_security)
            return [ServiceStatus("kafka", Health.HEALTHY, note, address=settings.kafka)]
        except BizopsError as error:
            return [ServiceStatus("kafka", Health.UNREACHABLE, str(error), address=settings.kafka)]
    if not running.brokers:
        return [ServiceStatus("kafka", Health.STOPPED, "not started: `bizops up` starts it")]
    return [_broker(broker) for broker in running.brokers]


def _broker(broker: Broker) -> ServiceStatus:
    name, address = f"kafka-{broker.node_id}", f"{HOST}:{broker.port}"
    if not is_running(broker.process):
        return ServiceStatus(name, Health.CRASHED, _crashed(broker.log), None, address, broker.log)
    health, note = Health.HEALTHY, "answers"
    if not answers(broker.port):
        health, note = Health.UNREACHABLE, f"runs and does not answer: its log is {broker.log}"
    return ServiceStatus(name, health, note, broker.process.pid, address, broker.log)


def _postgres(settings: Settings, running: Postgres | None) -> ServiceStatus:
    if settings.database_url:
        try:
            note = check_external_database(settings.database_url)
            health = Health.HEALTHY
        except BizopsError as error:
            note, health = str(error), Health.UNREACHABLE
        return ServiceStatus("postgres", health, note, address="BIZOPS_DATABASE_URL")
    if running is None:
        return ServiceStatus("postgres", Health.STOPPED, "not started: `bizops up` starts it")
    address, log = f"{HOST}:{running.port}", running.log
    if not is_running(running.process):
        return ServiceStatus("postgres", Health.CRASHED, _crashed(log), None, address, log)
    try:
        version = server_version(running.url)
    except psycopg2.Error as error:
        note = f"runs and does not answer: {str(error).strip()}"
        health = Health.UNREACHABLE
    else:
        note, health = f"answers, version {version // 10000}.{version % 10000}", Health.HEALTHY
    return ServiceStatus("postgres", health, note, running.process.pid, address, log)


def _crashed(log: Path) -> str:
    return f"crashed: its log is {log}, and `bizops up` starts it again"

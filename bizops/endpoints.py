"""Where Kafka and PostgreSQL are now: named by the environment, or started by ``bizops up``."""

import json
from dataclasses import dataclass, field

from bizops.errors import ServiceError
from bizops.settings import STATE_FILE, Settings

__all__ = ["Endpoints", "find_database", "find_endpoints", "find_kafka"]


@dataclass(frozen=True)
class Endpoints:
    """Addresses of the two services every stage meets in.

    Attributes
    ----------
    kafka
        Bootstrap servers, ``host:port`` separated by commas.
    database_url
        libpq URL, with its password: never to be logged.
    """

    kafka: str
    database_url: str = field(repr=False)


def find_endpoints(settings: Settings) -> Endpoints:
    """Addresses of both services; errors as in :func:`find_kafka`."""
    return Endpoints(kafka=find_kafka(settings), database_url=find_database(settings))


def find_kafka(settings: Settings) -> str:
    """Bootstrap servers: the environment's, else those of ``bizops up``.

    Raises
    ------
    ServiceError
        If the service is neither named by the environment nor recorded as started, or the record
        can't be read.
    """
    return settings.kafka or _started(settings, "kafka", "bootstrap", "BIZOPS_KAFKA")


def find_database(settings: Settings) -> str:
    """libpq URL of the database; errors as in :func:`find_kafka`."""
    return settings.database_url or _started(settings, "postgres", "url", "BIZOPS_DATABASE_URL")


def _started(settings: Settings, service: str, field: str, variable: str) -> str:
    state_file = settings.home / STATE_FILE
    try:
        state = json.loads(state_file.read_text()) if state_file.exists() else {}
    except (OSError, ValueError) as error:
        raise ServiceError(f"{state_file} can't be read: {error}") from error
    address = state.get(service, {}).get(field)
    if address is None:
        name = {"kafka": "Kafka", "postgres": "PostgreSQL"}[service]
        raise ServiceError(
            f"no {name} is running under {settings.home}: "
            f"start it with `bizops up`, or set {variable} to one that is"
        )
    return str(address)

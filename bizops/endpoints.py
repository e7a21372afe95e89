"""Where Kafka and PostgreSQL are now: named by the environment, or started by ``bizops up``."""

import json
from dataclasses import dataclass

from bizops.errors import ServiceError
from bizops.settings import STATE_FILE, Settings

__all__ = ["Endpoints", "find_endpoints"]


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
    database_url: str


def find_endpoints(settings: Settings) -> Endpoints:
    """Addresses of both services: the environment's first, else those of ``bizops up``.

    Raises
    ------
    ServiceError
        If a service is neither named by the environment nor recorded as started, or the record
        can't be read.
    """
    kafka, database_url = settings.kafka, settings.database_url
    if kafka is None or database_url is None:
        state_file = settings.home / STATE_FILE
        try:
            state = json.loads(state_file.read_text()) if state_file.exists() else {}
        except (OSError, ValueError) as error:
            raise ServiceError(f"{state_file} can't be read: {error}") from error
        kafka = kafka or state.get("kafka", {}).get("bootstrap")
        database_url = database_url or state.get("postgres", {}).get("url")
    if kafka is None or database_url is None:
        missing = "Kafka" if kafka is None else "PostgreSQL"
        variable = "BIZOPS_KAFKA" if kafka is None else "BIZOPS_DATABASE_URL"
        raise ServiceError(
            f"no {missing} is running under {settings.home}: "
            f"start it with `bizops up`, or set {variable} to one that is"
        )
    return Endpoints(kafka=kafka, database_url=database_url)

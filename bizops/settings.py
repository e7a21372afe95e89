"""Settings, read once at the edge from the environment and passed in from there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bizops.errors import UsageError

__all__ = ["Settings"]

STATE_FILE = "services.json"


@dataclass(frozen=True)
class Settings:
    """Where state is kept and which services are used.

    Attributes
    ----------
    home
        Folder of all local state (``BIZOPS_HOME``, ``.bizops`` unless told), absolute.
    kafka
        Bootstrap servers of a cluster that is not ours (``BIZOPS_KAFKA``), or None: then
        ``bizops up`` starts one.
    database_url
        libpq URL of a database that is not ours (``BIZOPS_DATABASE_URL``), or None.
    topic_prefix
        Put before each topic's name (``BIZOPS_TOPIC_PREFIX``), so that several installations
        share one cluster.
    partitions
        Partitions of a topic when it is first made (``BIZOPS_PARTITIONS``, 8 unless told).
    group
        Kafka consumer group of the stream workers (``BIZOPS_GROUP``).
    kafka_port, postgres_port
        Ports that ``bizops up`` has to use (``BIZOPS_KAFKA_PORT``, of the first broker, and
        ``BIZOPS_POSTGRES_PORT``), or None: then it chooses free ones and keeps them.
    """

    home: Path
    kafka: str | None = None
    database_url: str | None = None
    topic_prefix: str = ""
    partitions: int = 8
    group: str = "bizops-stream"
    kafka_port: int | None = None
    postgres_port: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read settings from ``environment`` (the process's own unless given).

        Raises
        ------
        UsageError
            If ``BIZOPS_PARTITIONS`` is not a positive whole number, or a port is not one from 1
            to 65535.
        """
        env = os.environ if environment is None else environment
        partitions = env.get("BIZOPS_PARTITIONS", "8")
        if not partitions.isdecimal() or int(partitions) < 1:
            raise UsageError(f"BIZOPS_PARTITIONS is {partitions!r}; expected a whole number from 1")
        prefix = env.get("BIZOPS_TOPIC_PREFIX", "")
        return cls(
            home=Path(env.get("BIZOPS_HOME") or ".bizops").expanduser().absolute(),
            kafka=env.get("BIZOPS_KAFKA") or None,
            database_url=env.get("BIZOPS_DATABASE_URL") or None,
            topic_prefix=prefix,
            partitions=int(partitions),
            group=env.get("BIZOPS_GROUP") or f"{prefix}bizops-stream",
            kafka_port=_port(env, "BIZOPS_KAFKA_PORT"),
            postgres_port=_port(env, "BIZOPS_POSTGRES_PORT"),
        )

    def topic(self, name: str) -> str:
        """The full name of a topic of the contract, such as ``touches``."""
        return f"{self.topic_prefix}{name}"


def _port(environment: Mapping[str, str], variable: str) -> int | None:
    value = environment.get(variable)
    if not value:
        return None
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise UsageError(f"{variable} is {value!r}; expected a port from 1 to 65535")
    return int(value)

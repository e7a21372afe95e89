"""Settings, read once at the edge from the environment and passed in from there."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bizops.calendar import Calendar
from bizops.currencies import CURRENCIES
from bizops.errors import UsageError
from bizops.kafka_security import KafkaSecurity
from bizops.variables import read_port, read_seconds
from bizops.watching import Watching

__all__ = ["Settings"]

STATE_FILE = "services.json"
LEAST_KEY_CHARACTERS = 32


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
    kafka_security
        How that cluster is connected to: :class:`bizops.kafka_security.KafkaSecurity`.
    database_url
        libpq URL of a database that is not ours (``BIZOPS_DATABASE_URL``), or None.
    topic_prefix
        Put before each topic's name (``BIZOPS_TOPIC_PREFIX``), so that several installations
        share one cluster.
    partitions
        Partitions of the busy topics when they are first made (``BIZOPS_PARTITIONS``, 8 unless
        told).
    group
        Kafka consumer group of the stream workers (``BIZOPS_GROUP``).
    dead_letter_run, dead_letter_share
        More dead letters than that in a row (``BIZOPS_DEAD_LETTER_RUN``, 200 unless told), or a
        greater share of a partition's latest 1,000 records (``BIZOPS_DEAD_LETTER_SHARE``, 0.2),
        and its worker stops; 0 is no limit.
    retention_days
        How long Kafka keeps events (``BIZOPS_RETENTION_DAYS``, 30 unless told), set on a topic
        when it is first made.
    suppression_key
        What hashes of forgotten identifiers are keyed with (``BIZOPS_SUPPRESSION_KEY``, or the
        first line of the file ``BIZOPS_SUPPRESSION_KEY_FILE``), or None: then ``home`` has it.
    session_timeout_s
        Seconds of silence after which Kafka gives a worker's partitions to the others
        (``BIZOPS_SESSION_TIMEOUT``, 6 to 90, 15 unless told): shorter, a killed worker is
        replaced sooner; longer, a machine that is overloaded keeps its workers.
    kafka_port, postgres_port
        Ports that ``bizops up`` has to use (``BIZOPS_KAFKA_PORT``, of the first broker, and
        ``BIZOPS_POSTGRES_PORT``), or None: then it chooses free ones and keeps them.
    watching
        How workers are watched.
    calendar
        When weeks and fiscal quarters begin.
    currency
        What figures are reported in (``BIZOPS_CURRENCY``, ISO 4217), by the exchange rates there
        are; None leaves each amount in its own.
    """

    home: Path
    kafka: str | None = None
    database_url: str | None = field(default=None, repr=False)
    topic_prefix: str = ""
    partitions: int = 8
    group: str = "bizops-stream"
    dead_letter_run: int = 200
    dead_letter_share: float = 0.2
    retention_days: int = 30
    suppression_key: str | None = field(default=None, repr=False)
    session_timeout_s: float = 15.0
    kafka_port: int | None = None
    postgres_port: int | None = None
    watching: Watching = field(default_factory=Watching)
    calendar: Calendar = field(default_factory=Calendar)
    currency: str | None = None
    kafka_security: KafkaSecurity = field(default_factory=KafkaSecurity)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read settings from ``environment`` (the process's own unless given).

        Raises
        ------
        UsageError
            If a number is none, or not in its range, the suppression key is too short, or the
            currency, the URL of the database or what is said of Kafka's security does not fit.
        """
        env = os.environ if environment is None else environment
        prefix = env.get("BIZOPS_TOPIC_PREFIX", "")
        return cls(
            home=Path(env.get("BIZOPS_HOME") or ".bizops").expanduser().absolute(),
            kafka=env.get("BIZOPS_KAFKA") or None,
            database_url=_database_url(env),
            topic_prefix=prefix,
            partitions=_whole(env, "BIZOPS_PARTITIONS", 8, least=1),
            group=env.get("BIZOPS_GROUP") or f"{prefix}bizops-stream",
            dead_letter_run=_whole(env, "BIZOPS_DEAD_LETTER_RUN", 200, least=0),
            dead_letter_share=_share(env, "BIZOPS_DEAD_LETTER_SHARE", 0.2),
            retention_days=_whole(env, "BIZOPS_RETENTION_DAYS", 30, least=1),
            suppression_key=_suppression_key(env),
            session_timeout_s=read_seconds(env, "BIZOPS_SESSION_TIMEOUT", 15.0, (6.0, 90.0)),
            kafka_port=read_port(env, "BIZOPS_KAFKA_PORT"),
            postgres_port=read_port(env, "BIZOPS_POSTGRES_PORT"),
            watching=Watching.from_environment(env),
            calendar=Calendar.from_environment(env),
            currency=_currency(env),
            kafka_security=KafkaSecurity.from_environment(env),
        )

    def environment(self) -> dict[str, str]:
        """What :meth:`from_environment` makes these settings of, for processes that we start.

        Every variable is in it, so that none is left as it was: an empty text is none.
        """
        values = {
            "BIZOPS_HOME": self.home,
            "BIZOPS_KAFKA": self.kafka,
            "BIZOPS_DATABASE_URL": self.database_url,
            "BIZOPS_TOPIC_PREFIX": self.topic_prefix,
            "BIZOPS_PARTITIONS": self.partitions,
            "BIZOPS_GROUP": self.group,
            "BIZOPS_DEAD_LETTER_RUN": self.dead_letter_run,
            "BIZOPS_DEAD_LETTER_SHARE": self.dead_letter_share,
            "BIZOPS_RETENTION_DAYS": self.retention_days,
            "BIZOPS_SUPPRESSION_KEY": self.suppression_key,
            "BIZOPS_SUPPRESSION_KEY_FILE": None,
            "BIZOPS_SESSION_TIMEOUT": self.session_timeout_s,
            "BIZOPS_KAFKA_PORT": self.kafka_port,
            "BIZOPS_POSTGRES_PORT": self.postgres_port,
            "BIZOPS_CURRENCY": self.currency,
        }
        own = {name: "" if value is None else str(value) for name, value in values.items()}
        others = (self.kafka_security, self.watching, self.calendar)
        return own | {name: value for one in others for name, value in one.environment().items()}

    def topic(self, name: str) -> str:
        """The full name of a topic of the contract, such as ``touches``."""
        return f"{self.topic_prefix}{name}"


def _currency(environment: Mapping[str, str]) -> str | None:
    code = environment.get("BIZOPS_CURRENCY") or None
    if code is not None and code not in CURRENCIES:
        raise UsageError(
            f"BIZOPS_CURRENCY is {code!r}; expected a code of ISO 4217 such as USD or EUR"
        )
    return code


def _database_url(environment: Mapping[str, str]) -> str | None:
    """The URL, refused where libpq would take the end of a password for a host, and print it."""
    url = environment.get("BIZOPS_DATABASE_URL") or None
    scheme, found, rest = (url or "").partition("://")
    if not found or not scheme.startswith("postgres"):
        return url
    user, at, place = rest.partition("?")[0].partition("@")
    if "@" in place or (at and "/" in user):
        raise UsageError(
            "BIZOPS_DATABASE_URL cannot be read: in its user and password write @ as %40, "
            "/ as %2F, : as %3A and % as %25"
        )
    return url


def _whole(environment: Mapping[str, str], variable: str, default: int, *, least: int) -> int:
    value = environment.get(variable) or str(default)
    if not (value.isascii() and value.isdecimal()) or int(value) < least:
        raise UsageError(f"{variable} is {value!r}; expected a whole number from {least}")
    return int(value)


def _share(environment: Mapping[str, str], variable: str, default: float) -> float:
    value = environment.get(variable) or str(default)
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise UsageError(f"{variable} is {value!r}; expected a number from 0 to 1, such as 0.2")
    return share


def _suppression_key(environment: Mapping[str, str]) -> str | None:
    key, file = (
        environment.get(name) for name in ("BIZOPS_SUPPRESSION_KEY", "BIZOPS_SUPPRESSION_KEY_FILE")
    )
    if file and not key:
        try:
            key = Path(file).expanduser().read_text().partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"BIZOPS_SUPPRESSION_KEY_FILE is {file!r}, which can't be read: {error}"
            ) from None
    if (key is not None and 0 < len(key) < LEAST_KEY_CHARACTERS) or (file and not key):
        raise UsageError(
            f"the suppression key has {len(key or '')} characters; "
            f"expected {LEAST_KEY_CHARACTERS} or more, of chance"
        )
    return key or None

"""All that Kafka still holds, read once more through the same store, beside the live workers.

It is what brings back rows that were lost: what is stored already is recognised and changes
nothing. What Kafka no longer holds cannot come back from there, and is said.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from bizops.database import Cursor, load_queries, opened
from bizops.endpoints import Endpoints
from bizops.errors import ServiceError
from bizops.kafka_clients import open_client
from bizops.settings import Settings
from streams.lag import Lag
from streams.pool import WorkerPool
from streams.tables import TABLES

__all__ = ["Reread", "reread"]

QUERIES = load_queries("streams", "replay.sql")


@dataclass(frozen=True)
class Reread:
    """What reading Kafka again came to.

    Attributes
    ----------
    records
        That were read, dead letters included.
    stored
        By type of event, rows stored or corrected meanwhile; those of live traffic are among them.
    gone
        By topic, records that Kafka had and no longer holds.
    """

    records: int
    stored: dict[str, int]
    gone: dict[str, int]


def reread(
    settings: Settings,
    endpoints: Endpoints,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Reread:
    """Read every topic from its beginning to where it ends now.

    Raises
    ------
    ServiceError
        If Kafka or PostgreSQL cannot be reached, or another reads all again at this moment.
    """
    # the port of the metrics belongs to the live workers beside it
    unwatched = replace(settings.watching, metrics_port=None)
    apart = replace(settings, group=f"{settings.group}-replay", watching=unwatched)
    _drop_group(apart, endpoints)
    lag = Lag(apart, endpoints.kafka)
    try:
        gone = lag.gone()
    finally:
        lag.close()
    with opened(endpoints.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(QUERIES["snapshot"])
        ((seen,),) = cursor.fetchall()
    pool = WorkerPool(apart, endpoints, workers)
    try:
        pool.start()
        records = pool.run(until_caught_up=True, progress=progress)
    finally:
        pool.stop()
    _drop_group(apart, endpoints)
    with opened(endpoints.database_url) as connection, connection.cursor() as cursor:
        return Reread(records, _stored_since(cursor, seen), gone)


def _stored_since(cursor: Cursor, seen: str) -> dict[str, int]:
    stored = {}
    for event_type, table in TABLES.items():
        cursor.execute(
            f"select count(*) from stream.{table.name} "
            "where stream.is_new(stored_in, %s::pg_snapshot)",
            (seen,),
        )
        ((stored[event_type],),) = cursor.fetchall()
    return {event_type: count for event_type, count in stored.items() if count}


def _drop_group(settings: Settings, endpoints: Endpoints) -> None:
    """Let the group begin at the beginning; it has no members unless another replay runs."""
    admin = open_client(KafkaAdminClient, endpoints.kafka, settings.kafka_security)
    try:
        outcome = admin.delete_groups([settings.group])[settings.group]
    except KafkaError as error:
        raise ServiceError(f"Kafka refused to drop group {settings.group}: {error}") from None
    finally:
        admin.close()
    if outcome not in ("OK", "GroupIdNotFoundError"):
        raise ServiceError(
            f"Kafka did not drop group {settings.group} ({outcome}): another replay is reading; "
            "wait for it, or end the workers it left behind"
        )

"""What tests of the stream share: a connection to the test's own database, and its rows."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from bizops.endpoints import Endpoints
from bizops.settings import Settings
from bizops.topics import ensure_topics
from streams.pool import WorkerPool


@pytest.fixture
def connection(database_url: str) -> Iterator[Any]:
    connection = psycopg2.connect(database_url)
    yield connection
    connection.close()


@pytest.fixture
def rows(connection: Any) -> Callable[[str], list[tuple[Any, ...]]]:
    def fetch(query: str) -> list[tuple[Any, ...]]:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    return fetch


@pytest.fixture
def pool(settings: Settings, services: Endpoints) -> Iterator[WorkerPool]:
    """Workers on topics and a database of the test's own; not started yet."""
    assert settings.database_url is not None
    ensure_topics(settings, services.kafka)
    pool = WorkerPool(settings, Endpoints(services.kafka, settings.database_url))
    yield pool
    pool.stop()

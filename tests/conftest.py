"""Real Kafka and PostgreSQL for all tests: started once, with a database and topics a test."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from bizops import local
from bizops.endpoints import Endpoints
from bizops.settings import Settings
from warehouse.schema import migrate

SHARED_DATA = Path(
    os.environ.get("BIZOPS_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")
)
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """Kafka and PostgreSQL: those of the environment, else local ones for this session."""
    settings = Settings.from_environment()
    settings = replace(settings, home=tmp_path_factory.mktemp("services"))
    try:
        yield local.up(settings)
    finally:
        local.purge(settings)


@pytest.fixture(scope="session")
def template_database(services: Endpoints) -> str:
    """Name of a migrated database to copy from."""
    name = f"template_{os.getpid()}"
    _execute(services.database_url, f'create database "{name}"')
    migrate(_named(services.database_url, name))
    return name


@pytest.fixture
def database_url(services: Endpoints, template_database: str) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _execute(services.database_url, f'create database "{name}" template "{template_database}"')
    yield _named(services.database_url, name)
    _execute(services.database_url, f'drop database "{name}" with (force)')


@pytest.fixture
def settings(services: Endpoints, database_url: str, tmp_path: Path) -> Settings:
    """Settings with a home, a database, topics and a consumer group of this test's own."""
    number = next(_numbers)
    return Settings(
        home=tmp_path / "home",
        kafka=services.kafka,
        database_url=database_url,
        topic_prefix=f"t{os.getpid()}-{number}-",
        partitions=4,
        group=f"t{os.getpid()}-{number}",
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Data nobody here made; it is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no data at {SHARED_DATA}; set BIZOPS_SHARED_DATA to where it is")
    return SHARED_DATA


def _execute(database_url: str, statement: str) -> None:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


def _named(database_url: str, name: str) -> str:
    return f"{database_url.rsplit('/', 1)[0]}/{name}"

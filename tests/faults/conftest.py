"""Three brokers and a PostgreSQL for the fault suite alone, since it breaks them."""

import gc
import warnings
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bizops import local
from bizops.settings import Settings
from tests.faults.cluster import Cluster
from warehouse.schema import migrate


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    """Clients lose sockets of brokers that are gone: no error here, nor in the tests after."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def home_settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", partitions=4, session_timeout_s=6.0, group="faults")


@pytest.fixture
def cluster(home_settings: Settings) -> Iterator[Cluster]:
    try:
        cluster = Cluster(home_settings)
        migrate(cluster.database_url)
        yield cluster
    finally:
        local.purge(home_settings)


@pytest.fixture
def fault_settings(home_settings: Settings, cluster: Cluster) -> Settings:
    return replace(home_settings, kafka=cluster.endpoints.kafka, database_url=cluster.database_url)

"""Services that are closed to strangers, started once for the tests here."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .secured import (
    POSTGRES,
    SecuredKafka,
    SecuredPostgres,
    recognisable,
    secured_kafka,
    secured_postgres,
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="package")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("secured"), recognisable()) as broker:
        yield broker


@pytest.fixture(scope="package")
def postgres() -> Iterator[SecuredPostgres]:
    if not POSTGRES:
        pytest.skip("no PostgreSQL of the system's; the one in the wheel is built without TLS")
    with secured_postgres(recognisable()) as server:
        yield server


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command of ours, with no settings but those given."""

    def start(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BIZOPS_", "PG"))
        }
        return subprocess.run(
            [str(Path(sys.executable).with_name("bizops")), *arguments],
            env=clean | {"BIZOPS_HOME": str(tmp_path / "home")} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return start

"""No secret in what is printed, in what is logged, or in the list of processes."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from bizops.endpoints import Endpoints
from bizops.errors import BizopsError, UsageError
from bizops.settings import Settings

from .conftest import Run
from .secured import SecuredKafka, SecuredPostgres, free_ports

ROOT = Path(__file__).parents[2]

WORDY = """
import asyncio, logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
import aiokafka
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from bizops.endpoints import find_endpoints
from bizops.kafka_clients import open_client
from bizops.settings import Settings
from streams.worker import build_app

settings = Settings.from_environment()
for kind in (KafkaAdminClient, KafkaConsumer, KafkaProducer):
    open_client(kind, settings.kafka, settings.kafka_security).close()
app, _ = build_app(settings, find_endpoints(settings))
print(app.conf.broker_credentials, app, settings)

async def connect():
    options = credentials_to_aiokafka_auth(app.conf.broker_credentials)
    client = aiokafka.AIOKafkaProducer(bootstrap_servers=settings.kafka, **options)
    await client.start()
    await client.stop()

asyncio.run(connect())
"""
"""All clients there are, with every logger at its most talkative."""


@contextmanager
def watched_processes() -> Iterator[list[str]]:
    """Command lines of all processes that run while the block does."""
    seen: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_text(errors="replace").replace("\0", " "))
                except OSError:  # it has ended
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    found: list[str] = []
    try:
        yield found
    finally:
        done.set()
        thread.join()
        found += seen


def holding(folder: Path, *secrets: str) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]


@pytest.mark.slow
def test_no_command_shows_a_password(
    kafka: SecuredKafka, postgres: SecuredPostgres, run: Run, tmp_path: Path
) -> None:
    """With services that let us in, that refuse us, and that are not there."""
    events = tmp_path / "events.jsonl"
    events.write_text(
        '{"type": "touch", "event_id": "t1", "source": "test", "channel": "email",'
        ' "occurred_at": "2026-03-01T10:00:00Z", "account_id": "acme"}\nno event\n'
    )
    closed = f"127.0.0.1:{free_ports(1)[0]}"
    secrets = (kafka.password, postgres.password)
    right = kafka.environment(BIZOPS_DATABASE_URL=postgres.url(), BIZOPS_TOPIC_PREFIX="secrets-")
    wrong_user = right | {
        "BIZOPS_KAFKA_USERNAME": "nobody",
        "BIZOPS_DATABASE_URL": postgres.url().replace("//bizops:", "//nobody:"),
    }
    absent = right | {
        "BIZOPS_KAFKA": closed,
        "BIZOPS_DATABASE_URL": postgres.url().replace(f":{postgres.port}", f":{closed[10:]}"),
    }
    produce = ("produce", "jsonl", str(events))
    printed = {}
    with watched_processes() as processes:
        for environment, fine, commands in (
            (right, True, [("status",), ("migrate",)]),
            (right, True, [produce, ("stream", "--until-caught-up"), ("transform",)]),
            (wrong_user, False, [("status",), ("migrate",), produce]),
            (absent, False, [("timeline", "acme"), ("transform",), ("stream",)]),
        ):
            for command in commands:
                done = run(*command, **environment)
                assert fine is (done.returncode == 0) or command is produce, (command, done)
                assert "Traceback" not in done.stderr, done.stderr
                printed[command, environment["BIZOPS_KAFKA_USERNAME"]] = done.stdout + done.stderr
    for command, text in printed.items():
        assert not any(secret in text for secret in secrets), command
    assert [line for line in processes if "streams.worker" in line], "the worker was not seen"
    assert not [line for line in processes if any(secret in line for secret in secrets)]
    assert (tmp_path / "home" / "dbt" / "logs" / "dbt.log").exists()
    assert holding(tmp_path, *secrets) == []


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_no_log_has_a_password_whatever_its_level(
    kafka: SecuredKafka, tmp_path: Path, mechanism: str
) -> None:
    environment = kafka.environment(
        BIZOPS_KAFKA_SASL_MECHANISM=mechanism,
        BIZOPS_HOME=str(tmp_path),
        BIZOPS_DATABASE_URL=f"postgresql://me:{kafka.password}@127.0.0.1:1/none",
    )
    done = subprocess.run(
        [sys.executable, "-c", WORDY],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "DEBUG" in done.stdout
    assert "sasl_plain_password" in done.stdout, "clients print their configuration no more"
    assert kafka.password not in done.stdout + done.stderr
    assert holding(tmp_path, kafka.password) == []


@pytest.mark.parametrize(
    "place", ["p@ss", "p/w", "pa%ss", "p:w@ss", "p@s/w", "pass word"], ids=lambda text: text
)
def test_a_password_that_breaks_the_url_is_not_repeated(run: Run, place: str) -> None:
    """libpq takes what follows an @ for a host, what follows a : for a port, and names it."""
    done = run("migrate", BIZOPS_DATABASE_URL=f"postgresql://me:Ge{place}heim@127.0.0.1:1/db")
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1
    for part in ("heim", "Ge", place):
        assert part not in done.stderr


def test_a_url_that_libpq_reads_as_meant_is_let_through() -> None:
    for url in (
        "postgresql://me:Ge%40%2Fheim@h:1/db?application_name=a@b",
        "postgresql://h/db?user=a@b&password=c/d",
        "host=h password=a@b/c",
        "postgresql:///db",
    ):
        assert Settings.from_environment({"BIZOPS_DATABASE_URL": url}).database_url == url
    with pytest.raises(UsageError, match="write @ as %40"):
        Settings.from_environment({"BIZOPS_DATABASE_URL": "postgresql://me:a@b@h/db"})


def test_what_we_start_ourselves_keeps_its_password_to_itself(
    services: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> None:
    password = urlsplit(services.database_url).password
    assert password
    with watched_processes() as processes:
        threading.Event().wait(0.3)
    assert [line for line in processes if "kafka.Kafka" in line]
    assert not [line for line in processes if password in line]
    home = next(tmp_path_factory.getbasetemp().glob("services*"))
    kept = holding(home, password)
    assert {path.name for path in kept} == {"installation.json", "services.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_no_secret_stands_in_the_repository() -> None:
    """docker compose takes its password from the environment, and so does dbt."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or ("://" in str(value) and "@" in str(value)):
                assert "${" in str(value), name
        assert "PASSWORD" not in str(service.get("command", ""))
    profile = yaml.safe_load((ROOT / "warehouse" / "dbt" / "profiles.yml").read_text())
    output = profile["bizops"]["outputs"]["bizops"]
    assert "env_var('DBT_ENV_SECRET_" in output["password"]  # dbt masks what is called so


def test_the_key_of_a_container_outlives_it() -> None:
    """`docker compose run --rm stream forget ...` makes the key in BIZOPS_HOME."""
    assert "BIZOPS_HOME=/state" in (ROOT / "Dockerfile").read_text()
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert "state" in compose["volumes"]
    for service in ("stream", "migrate"):
        assert "state:/state" in compose["services"][service]["volumes"]


def test_errors_of_ours_hold_no_settings() -> None:
    assert issubclass(UsageError, BizopsError)
    settings = Settings(home=Path("h"), database_url="postgresql://me:Geheim@h/db")
    with pytest.raises(AttributeError) as caught:
        settings.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert "Geheim" not in str(caught.value)

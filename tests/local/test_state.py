import random
import socket
from pathlib import Path

import pytest

from bizops.errors import ServiceError, UsageError
from bizops.local.plan import with_ports
from bizops.local.ports import CHOICES, choose_port, is_free
from bizops.local.processes import Process
from bizops.local.state import (
    Broker,
    Installation,
    Postgres,
    Running,
    load_installation,
    load_running,
    locked,
    save_installation,
    save_running,
)
from bizops.settings import Settings

BROKER = Broker(1, Process(11, 1.5), 15001, Path("/logs/kafka-1.log"))
POSTGRES = Postgres(Process(12, 2.5), 15002, Path("/logs/postgres.log"), "postgresql://…")


@pytest.mark.parametrize(
    "running",
    [Running(), Running((BROKER,)), Running((BROKER,), POSTGRES), Running((), POSTGRES)],
)
def test_what_runs_is_read_as_it_was_written(tmp_path: Path, running: Running) -> None:
    save_running(tmp_path, Running((BROKER,)))
    save_running(tmp_path, running)
    assert load_running(tmp_path) == running


def test_an_installation_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert load_installation(tmp_path) is None
    installation = Installation.new(3, tmp_path / "postgres")
    save_installation(tmp_path, installation)
    assert load_installation(tmp_path) == installation
    assert Installation.new(3, tmp_path).password != installation.password


@pytest.mark.parametrize("content", ["", "[]", "{", '{"kafka": {"brokers": [{}]}}', '{"kafka": 1}'])
def test_damaged_state_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "services.json").write_text(content)
    with pytest.raises(ServiceError, match=r"services\.json can't be read as state"):
        load_running(tmp_path)


def test_a_lock_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(ServiceError, match="another `bizops up`"),
        locked(tmp_path, wait_s=0.2),
    ):
        pass
    with locked(tmp_path, wait_s=0):
        pass


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="BIZOPS_HOME"), locked(tmp_path / "file" / "home"):
        pass


def test_a_kept_port_stays_and_a_taken_one_is_chosen_anew() -> None:
    rng = random.Random(1)
    port = choose_port(None, avoid=(), rng=rng)
    assert port in CHOICES
    assert choose_port(port, avoid=(), rng=rng) == port
    assert choose_port(port, avoid={port}, rng=rng) != port
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        assert not is_free(port)
        assert choose_port(port, avoid=(), rng=rng) != port


def test_a_plan_pins_keeps_and_never_gives_a_port_twice(tmp_path: Path) -> None:
    rng = random.Random(2)
    pin = choose_port(None, avoid=(), rng=rng)
    settings = Settings(home=tmp_path, kafka_port=pin)
    planned = with_ports(Installation.new(3, tmp_path), Running(), settings, rng=rng)
    ports = [*planned.kafka_ports, *planned.controller_ports, planned.postgres_port]
    assert planned.kafka_ports[0] == pin
    assert len(set(ports)) == 7
    assert with_ports(planned, Running(), settings, rng=rng) == planned


def test_ports_in_the_environment_are_checked(tmp_path: Path) -> None:
    environment = {"BIZOPS_KAFKA_PORT": "9092", "BIZOPS_POSTGRES_PORT": ""}
    settings = Settings.from_environment(environment)
    assert (settings.kafka_port, settings.postgres_port) == (9092, None)
    for wrong in ("0", "65536", "http"):
        with pytest.raises(UsageError, match="expected a port from 1 to 65535"):
            Settings.from_environment({"BIZOPS_KAFKA_PORT": wrong})

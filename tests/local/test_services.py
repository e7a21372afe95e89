"""Both services, for real: started, killed, stopped. Tests here go on from one another."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import UnknownTopicOrPartitionError

from bizops import local
from bizops.endpoints import find_endpoints
from bizops.errors import ServiceError, UsageError
from bizops.local.processes import Process, is_running
from bizops.local.state import load_installation, load_running
from bizops.local.status import Health, look
from bizops.settings import Settings

TOPIC = "kept"
PRODUCE = """
import sys
from kafka import KafkaProducer
producer = KafkaProducer(bootstrap_servers=sys.argv[1].split(","), acks="all")
producer.send(sys.argv[2], sys.argv[3].encode()).get(timeout=30)
"""


@pytest.fixture(scope="module")
def settings(new_home: Callable[[], Settings]) -> Settings:
    settings = new_home()
    local.up(settings)
    return settings


def processes(settings: Settings) -> list[Process]:
    running = load_running(settings.home)
    found = [broker.process for broker in running.brokers]
    return [*found, *([running.postgres.process] if running.postgres else [])]


def healths(settings: Settings) -> list[Health]:
    return [one.health for one in look(settings)]


def kill(process: Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    while is_running(process):
        time.sleep(0.01)


def query(settings: Settings, statement: str) -> str:
    connection = psycopg2.connect(find_endpoints(settings).database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return str(row[0]) if row else ""
    finally:
        connection.close()


def kafka_values(settings: Settings) -> list[bytes]:
    with contextlib.closing(
        KafkaConsumer(
            bootstrap_servers=find_endpoints(settings).kafka,
            auto_offset_reset="earliest",
            consumer_timeout_ms=20000,
        )
    ) as consumer:
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        return [next(consumer).value for _ in range(end)]


def produce(settings: Settings, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=find_endpoints(settings).kafka, acks="all")
    with contextlib.closing(producer):
        producer.send(TOPIC, value).get(timeout=20)


def test_up_starts_both_as_configured(settings: Settings) -> None:
    assert healths(settings) == [Health.HEALTHY, Health.HEALTHY]
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "jit": "off",
        "timezone": "UTC",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "shared_buffers": "256MB",
        "password_encryption": "scram-sha-256",
    }
    assert {name: query(settings, f"show {name}") for name in expected} == expected
    assert query(settings, "select current_user || current_database()") == "bizopsbizops"


def test_a_wrong_password_is_refused(settings: Settings) -> None:
    url = find_endpoints(settings).database_url
    kept = load_installation(settings.home)
    assert kept is not None
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(url.replace(kept.password, "wrong"))


def test_topics_are_not_made_by_mistake(settings: Settings) -> None:
    bootstrap = find_endpoints(settings).kafka
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        (missing,) = admin.describe_topics(["no-such-topic"])
        assert missing["error_code"] == UnknownTopicOrPartitionError.errno
        admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])


def test_secrets_are_for_their_owner_only(settings: Settings) -> None:
    for name in ("installation.json", "services.json"):
        assert stat.S_IMODE((settings.home / name).stat().st_mode) == 0o600
    for name in ("kafka/1", "logs"):
        assert stat.S_IMODE((settings.home / name).stat().st_mode) == 0o700


def test_up_again_changes_nothing_and_is_quick(settings: Settings) -> None:
    before = processes(settings)
    began = time.monotonic()
    local.up(settings)
    assert time.monotonic() - began < 2
    assert processes(settings) == before


def test_another_number_of_brokers_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"has 1 broker\(s\), not 3"):
        local.up(settings, 3)
    with pytest.raises(UsageError, match="expected 1 or 3"):
        local.up(settings, 2)


def test_another_pin_is_refused_while_it_runs(settings: Settings) -> None:
    with pytest.raises(UsageError, match="BIZOPS_POSTGRES_PORT is 1"):
        local.up(replace(settings, postgres_port=1))


def test_killed_services_come_back_with_their_data(settings: Settings) -> None:
    produce(settings, b"before")
    query(settings, "create table kept (value text); insert into kept values ('before')")
    before = find_endpoints(settings)
    for process in processes(settings):
        kill(process)
    assert healths(settings) == [Health.CRASHED, Health.CRASHED]
    sentences = {one.name: one.sentence for one in local.examine(settings)}
    assert "crashed: its log is" in sentences["service kafka-1"]
    assert "crashed: its log is" in sentences["service postgres"]

    said: list[str] = []
    assert local.up(settings, say=said.append) == before
    assert any("Kafka broker 1 had crashed" in one for one in said)
    assert any("PostgreSQL had crashed" in one for one in said)
    assert kafka_values(settings) == [b"before"]
    assert query(settings, "select value from kept") == "before"


def test_services_that_are_not_ours_are_used_and_not_started(
    settings: Settings, new_home: Callable[[], Settings]
) -> None:
    theirs = find_endpoints(settings)
    home = new_home().home
    other = Settings(home=home, kafka=theirs.kafka, database_url=theirs.database_url)
    assert local.up(other) == theirs
    assert not home.exists()
    assert healths(other) == [Health.HEALTHY, Health.HEALTHY]


def test_down_finds_what_is_not_remembered_and_leaves_nothing(settings: Settings) -> None:
    ours = [psutil.Process(one.pid) for one in processes(settings)]
    ours += [child for one in ours for child in one.children(recursive=True)]
    (settings.home / "services.json").write_text("{")
    assert local.down(settings)
    assert [one for one in ours if one.is_running() and one.status() != "zombie"] == []
    assert healths(settings) == [Health.STOPPED, Health.STOPPED]
    with pytest.raises(ServiceError, match="start it with `bizops up`"):
        find_endpoints(settings)
    assert not local.down(settings)


def test_a_server_that_cannot_start_says_why(settings: Settings) -> None:
    kept = load_installation(settings.home)
    assert kept is not None
    for file, wrong in (
        (kept.postgres_folder / "data" / "postgresql.conf", "no_such_setting = 1\n"),
        (settings.home / "kafka/1/data/meta.properties", "version=1\nnode.id=7\n"),
    ):
        good = file.read_text()
        file.write_text(good + wrong)
        service = "Kafka broker 1" if "kafka" in str(file) else "PostgreSQL"
        with pytest.raises(ServiceError, match=f"{service} ended as it started:\n(.*\n)+.*from "):
            local.up(settings)
        file.write_text(good)
    local.down(settings)


def test_two_at_once_start_one(settings: Settings) -> None:
    command = [sys.executable, "-c", "from bizops.cli import main; main()"]
    environment = {**os.environ, "BIZOPS_HOME": str(settings.home)}
    both = [subprocess.Popen([*command, "up"], env=environment) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    status = subprocess.run(
        [*command, "status", "--format", "json"], env=environment, capture_output=True, check=True
    )
    assert json.loads(status.stdout)["healthy"]
    java = [
        one
        for one in psutil.process_iter(["name", "cwd"])
        if one.info["name"] == "java" and (one.info["cwd"] or "").startswith(str(settings.home))
    ]
    assert len(java) == 1
    assert kafka_values(settings) == [b"before"]


def test_a_pinned_port_that_is_taken_is_named(new_home: Callable[[], Settings]) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        for field, variable in (
            ("kafka_port", "BIZOPS_KAFKA_PORT"),
            ("postgres_port", "BIZOPS_POSTGRES_PORT"),
        ):
            settings = replace(new_home(), **{field: port})
            expected = f"port {port} .{variable}. is taken by process {os.getpid()}"
            with pytest.raises(UsageError, match=expected):
                local.up(settings)
            ports = next(one for one in local.examine(settings) if one.name == "ports")
            assert ports.verdict == "missing"
            assert str(port) in ports.sentence


@pytest.mark.slow
def test_three_brokers_survive_the_loss_of_one(new_home: Callable[[], Settings]) -> None:
    settings = replace(new_home(), database_url=None)
    endpoints = local.up(settings, brokers=3)
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=endpoints.kafka)) as admin:
        admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=-1)])
    produce(settings, b"by three")
    kill(load_running(settings.home).brokers[1].process)
    # kafka-python loses a socket whenever the dead broker refuses it: in a process of its own.
    subprocess.run([sys.executable, "-c", PRODUCE, endpoints.kafka, TOPIC, "by two"], check=True)
    assert healths(settings).count(Health.CRASHED) == 1
    assert local.up(settings) == endpoints
    assert len(load_running(settings.home).brokers) == 3
    assert kafka_values(settings) == [b"by three", b"by two"]

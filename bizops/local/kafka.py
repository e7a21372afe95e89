"""Apache Kafka in KRaft mode: each broker's process, and whether it answers."""

import os
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bizops.errors import ServiceError
from bizops.kafka_security import KafkaSecurity
from bizops.local.binaries import java_binary
from bizops.local.broker_config import LOGGING, broker_config
from bizops.local.jars import default_cache, fetch_jars
from bizops.local.ports import HOST, is_listening
from bizops.local.processes import Process, find_in_folder, is_running, spawn, stop, tail
from bizops.local.state import Broker, Installation

__all__ = [
    "answers",
    "await_brokers",
    "live_brokers",
    "start_broker",
    "stop_brokers",
]

START_S = 90.0
STOP_S = 30.0
# Of several brokers the last may wait for a quorum that is gone; its data is written by then.
STOP_TOGETHER_S = 10.0
# Heap of one broker, in MiB, by the number of brokers that share the machine.
HEAP_MIB = {1: 768, 3: 512}
JVM_OPTIONS = (
    "-Xms256m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)
CONFIG = "server.properties"
# Java takes the encoding of file names from here.
ENVIRONMENT = {"LC_ALL": "C.UTF-8"}


def start_broker(node_id: int, installation: Installation, folder: Path, log: Path) -> Broker:
    """Start one broker, after formatting its data at the first time; doesn't wait for it.

    Raises
    ------
    ServiceError
        If Java or the jars are missing, or the data can't be formatted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    settings = broker_config(node_id, installation)
    properties = "".join(f"{name}={value}\n" for name, value in settings.items())
    (folder / CONFIG).write_text(properties)
    (folder / "log4j2.properties").write_text(LOGGING)
    java = [
        str(java_binary()),
        f"-Xmx{HEAP_MIB[installation.brokers]}m",
        *JVM_OPTIONS,
        # Tells the brokers of several installations apart in a list of processes.
        f"-Dbizops.folder={folder}",
        "-Dlog4j2.configurationFile=log4j2.properties",
        "-cp",
        ":".join(str(jar) for jar in fetch_jars(default_cache())),
    ]
    if not (folder / "data" / "meta.properties").exists():
        _format(java, folder, installation.cluster_id)
    process = spawn([*java, "kafka.Kafka", CONFIG], folder=folder, log=log, environment=ENVIRONMENT)
    return Broker(node_id, process, installation.kafka_ports[node_id - 1], log)


def _format(java: Sequence[str], folder: Path, cluster_id: str) -> None:
    answer = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", CONFIG],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        last = "\n".join((answer.stdout + answer.stderr).splitlines()[-10:])
        raise ServiceError(f"Kafka can't format its data under {folder}:\n{last}")


def await_brokers(brokers: Sequence[Broker]) -> None:
    """Wait until every broker answers and all of them know each other.

    Raises
    ------
    ServiceError
        If one ends, or they don't answer within ``START_S``; with the end of a log.
    """
    until = time.monotonic() + START_S
    wanted = {broker.port for broker in brokers}
    while True:
        for broker in brokers:
            if not is_running(broker.process):
                raise ServiceError(
                    f"Kafka broker {broker.node_id} ended as it started:\n{tail(broker.log)}"
                )
        if all(answers(broker.port, wanted) for broker in brokers):
            return
        if time.monotonic() > until:
            raise ServiceError(
                f"Kafka runs but has not answered on {_bootstrap(brokers)} for {START_S:.0f} s:\n"
                f"{tail(brokers[0].log)}"
            )
        time.sleep(0.1)


def _bootstrap(brokers: Sequence[Broker]) -> str:
    return ",".join(f"{HOST}:{broker.port}" for broker in brokers)


def answers(port: int, others: Collection[int] = ()) -> bool:
    """Whether the broker on ``port`` answers itself, and counts ``others`` as alive."""
    try:
        return {port, *others} <= set(live_brokers(f"{HOST}:{port}").values())
    except ServiceError:
        return False


def live_brokers(
    bootstrap: str, security: KafkaSecurity | None = None, *, timeout_s: float = 5.0
) -> Mapping[int, int]:
    """Ports of the brokers that a cluster counts as alive, by node id.

    Raises
    ------
    ServiceError
        If none answers within ``timeout_s`` or lets us in, or an address is none.
    """
    from kafka import KafkaAdminClient

    from bizops.kafka_clients import open_client

    # Asked only where something listens: a refusal is known at once then, and the client, which
    # would try again until its time is up, loses a socket at each attempt.
    servers = [one for one in bootstrap.split(",") if is_listening(*_address(one), timeout_s)]
    if not servers:
        raise ServiceError(f"nothing listens at {bootstrap}")
    timeout_ms = int(timeout_s * 1000)
    client = open_client(
        KafkaAdminClient,
        ",".join(servers),
        security or KafkaSecurity(),
        bootstrap_timeout_ms=timeout_ms,
        request_timeout_ms=timeout_ms,
    )
    # What the asked broker itself said as it was asked first: `describe_cluster` would ask any
    # broker, and one that died a moment ago is among them.
    known = client._manager.cluster.brokers()
    client.close()
    return {int(one.node_id): int(one.port) for one in known}


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.strip().rpartition(":")
    if not host or not port.isdecimal():
        raise ServiceError(f"{server!r} is not an address of Kafka; expected host:port")
    return host.strip("[]"), int(port)


def stop_brokers(remembered: Sequence[Process], folders: Sequence[Path]) -> bool:
    """End brokers together, also those in ``folders`` that nobody remembers.

    Returns
    -------
    Whether any ran.
    """
    stray = [one for folder in folders for one in find_in_folder(folder, "java")]
    processes = {*remembered, *stray}
    return stop(processes, patience_s=STOP_TOGETHER_S if len(processes) > 1 else STOP_S)

"""Debezium's JDBC sink on Kafka Connect, one worker process with as many tasks as wanted."""

import json
import random
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from benchmarks.peers.contestant import PLAIN_COLUMNS, Contestant, Target
from benchmarks.peers.environments import connect_jars, debezium_plugin
from bizops.local.binaries import java_binary
from bizops.local.jars import default_cache, fetch_jars
from bizops.local.ports import choose_port

__all__ = ["Debezium"]

START_S = 240.0
LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


@dataclass
class Debezium(Contestant):
    """A Connect worker that stays between passes, so that its code is compiled by the second.

    Attributes
    ----------
    unnest
        Whether a batch is one ``insert ... select from unnest``.
    """

    unnest: bool = False
    port: int = 0
    connector: str = ""

    def command(self, target: Target) -> Sequence[str | Path]:
        folder = target.settings.home / "connect" / str(self.port)
        folder.mkdir(parents=True, exist_ok=True)
        worker = {
            "bootstrap.servers": target.endpoints.kafka,
            "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "offset.storage.file.filename": folder / "offsets",
            "offset.flush.interval.ms": "1000",
            "listeners": f"http://127.0.0.1:{self.port}",
            "plugin.path": debezium_plugin(),
            "connector.client.config.override.policy": "All",
        }
        properties = folder / "worker.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in worker.items()))
        (folder / "log4j2.properties").write_text(LOGGING)
        return [
            java_binary(), "-Xmx2g", "-Xms1g",
            f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
            "-cp", ":".join(map(str, [*connect_jars(), *fetch_jars(default_cache())])),
            "org.apache.kafka.connect.cli.ConnectStandalone", properties,
        ]  # fmt: skip

    def start(self, target: Target, log: Path) -> None:
        """Start the worker unless it is warm, and hand it a connector with a group of its own."""
        if not self.processes:
            self.port = choose_port(None, avoid=(), rng=random.Random())
            with log.open("ab") as output:
                self.processes.append(
                    subprocess.Popen(
                        self.command(target), start_new_session=True, stdin=subprocess.DEVNULL,
                        stdout=output, stderr=output,
                    )
                )  # fmt: skip
        self.connector = target.settings.group
        body = {"name": self.connector, "config": self._config(target)}
        until = time.monotonic() + START_S
        while True:
            try:
                answer = requests.post(self._url("connectors"), json=body, timeout=30)
            except requests.ConnectionError:
                self.check()
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
                continue
            if answer.status_code not in (201, 409, 404, 503) or time.monotonic() > until:
                raise RuntimeError(f"Connect refused the connector: {answer.text}")
            if answer.status_code == 201:
                return
            time.sleep(0.2)

    def check(self) -> None:
        """Raise if the worker ended, or a task of it failed."""
        super().check()
        if self.connector and self.processes:
            try:
                url = self._url(f"connectors/{self.connector}/status")
                tasks = requests.get(url, timeout=5).json().get("tasks", [])
            except requests.RequestException:
                return
            for task in tasks:
                if task["state"] == "FAILED":
                    raise RuntimeError(f"{self.name} failed: {task['trace'][:2000]}")

    def pause(self) -> None:
        requests.delete(self._url(f"connectors/{self.connector}"), timeout=30)
        self.connector = ""
        time.sleep(2.0)  # its tasks end after the answer

    def kill(self) -> None:
        super().kill()
        self.connector = ""

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def _config(self, target: Target) -> dict[str, str]:
        database = urlsplit(target.endpoints.database_url)
        fields: list[dict[str, Any]] = [
            {"field": name, "type": "string", "optional": name != "event_id"}
            for name in PLAIN_COLUMNS
        ]
        schema = {"type": "struct", "optional": False, "fields": fields}
        return {
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "tasks.max": str(self.size),
            "topics": target.topic,
            "connection.url": f"jdbc:postgresql://{database.hostname}:{database.port}"
            f"{database.path}?reWriteBatchedInserts=true",
            "connection.username": database.username or "",
            "connection.password": database.password or "",
            "connection.pool.min_size": "1",
            "connection.pool.max_size": "4",
            "insert.mode": "upsert",
            "primary.key.mode": "record_value",
            "primary.key.fields": "event_id",
            "collection.name.format": target.table,
            "schema.evolution": "none",
            "batch.size": "5000",
            "dialect.postgres.unnest.insert.enabled": str(self.unnest).lower(),
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "true",
            "value.converter.schema.content": json.dumps(schema),
            "consumer.override.max.poll.records": "5000",
            "consumer.override.auto.offset.reset": "earliest",
            "consumer.override.session.timeout.ms": "6000",
            "consumer.override.heartbeat.interval.ms": "2000",
        }

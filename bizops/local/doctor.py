"""What this machine lacks, a sentence each, before anything is started."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from bizops.errors import ServiceError
from bizops.local.binaries import java_binary, packaged_postgres
from bizops.local.jars import LOCK_FILE, default_cache, read_lock
from bizops.local.places import choose_postgres_folder, service_identity
from bizops.local.plan import KAFKA_PIN, POSTGRES_PIN
from bizops.local.ports import is_free, port_holder
from bizops.local.processes import is_running
from bizops.local.state import Running, load_installation, load_running
from bizops.local.status import Health, look
from bizops.settings import Settings

__all__ = ["Check", "Verdict", "examine"]

GIB = 1024**3
MEMORY_GIB = 3.0
DISK_GIB = 3.0
CGROUP = Path("/sys/fs/cgroup")


class Verdict(StrEnum):
    """``ok``: there; ``note``: worth knowing and no obstacle; ``missing``: necessary."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    sentence: str


Look = Callable[[Settings], Check | list[Check]]


def examine(settings: Settings) -> list[Check]:
    """Look at everything; whatever goes wrong while looking is a verdict, never an error."""
    checks: list[tuple[str, Look]] = [
        ("python", _python),
        ("memory", _memory),
        ("disk", _disk),
        ("home", _home),
        ("java", _java),
        ("jars", _jars),
        ("postgres", _postgres),
        ("ports", _ports),
        ("services", _services),
    ]
    return [found for name, check in checks for found in _guarded(name, check, settings)]


def _guarded(name: str, look_at: Look, settings: Settings) -> list[Check]:
    try:
        found = look_at(settings)
    except Exception as error:
        return [Check(name, Verdict.MISSING, str(error) or type(error).__name__)]
    return found if isinstance(found, list) else [found]


def _verdict(fine: bool) -> Verdict:
    return Verdict.OK if fine else Verdict.MISSING


def _python(_: Settings) -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    fine = sys.version_info >= (3, 12)
    return Check(
        "python", _verdict(fine), f"Python {version}" + ("" if fine else "; expected 3.12 or newer")
    )


def _memory(settings: Settings) -> Check:
    free = min(psutil.virtual_memory().available, _cgroup_available())
    have = (free + _held_bytes(_recorded(settings))) / GIB
    sentence = f"{have:.1f} GiB of memory for the services and the model"
    fine = have >= MEMORY_GIB
    return Check(
        "memory", _verdict(fine), sentence + ("" if fine else f"; expected {MEMORY_GIB:.0f} GiB")
    )


def _cgroup_available() -> float:
    """What a container may still take, in bytes; infinite where there is no limit."""
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        statistics = dict(
            line.split() for line in (CGROUP / "memory.stat").read_text().splitlines()
        )
    except (OSError, ValueError):
        return float("inf")
    if limit == "max":
        return float("inf")
    return int(limit) - used + int(statistics.get("inactive_file", 0))


def _held_bytes(running: Running) -> int:
    processes = [broker.process for broker in running.brokers]
    if running.postgres:
        processes.append(running.postgres.process)
    return sum(
        int(psutil.Process(one.pid).memory_info().rss) for one in processes if is_running(one)
    )


def _recorded(settings: Settings) -> Running:
    # What can't be read is reported once, with the services.
    with suppress(ServiceError):
        return load_running(settings.home)
    return Running()


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _disk(settings: Settings) -> Check:
    have = shutil.disk_usage(_existing(settings.home)).free / GIB
    sentence = f"{have:.1f} GiB free for {settings.home}"
    fine = have >= DISK_GIB
    return Check(
        "disk", _verdict(fine), sentence + ("" if fine else f"; expected {DISK_GIB:.0f} GiB")
    )


def _home(settings: Settings) -> Check:
    folder = _existing(settings.home)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        sentence = f"{settings.home} (BIZOPS_HOME) can't be written: {folder} is in the way"
        return Check("home", Verdict.MISSING, sentence)
    postgres = choose_postgres_folder(folder, service_identity())
    if not postgres.is_relative_to(folder):
        sentence = (
            f"{settings.home} can be written, but not entered by the user that PostgreSQL runs "
            f"as: its data goes under {postgres.parents[1]}"
        )
        return Check("home", Verdict.NOTE, sentence)
    return Check("home", Verdict.OK, f"{settings.home} can be written")


def _first_line(command: Sequence[str | Path]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    output = (answer.stdout + answer.stderr).strip()
    if answer.returncode:
        raise ServiceError(f"{command[0]} does not run: {output or answer.returncode}")
    return output.splitlines()[0]


def _java(_: Settings) -> Check:
    return Check("java", Verdict.OK, f"runs: {_first_line([java_binary(), '-version'])}")


def _jars(_: Settings) -> Check:
    cache = default_cache()
    missing = [
        jar for jar in read_lock(LOCK_FILE.read_text()) if not (cache / jar.file_name).exists()
    ]
    if missing:
        return Check(
            "jars",
            Verdict.NOTE,
            f"{len(missing)} jars of Kafka are to be fetched from Maven Central by `bizops up`",
        )
    return Check("jars", Verdict.OK, f"Kafka's jars are in {cache}")


def _postgres(_: Settings) -> Check:
    line = _first_line([packaged_postgres() / "postgres", "--version"])
    return Check("postgres", Verdict.OK, f"runs: {line}")


def _ports(settings: Settings) -> Check:
    running = _recorded(settings)
    ours = {broker.port for broker in running.brokers if is_running(broker.process)}
    if running.postgres and is_running(running.postgres.process):
        ours.add(running.postgres.port)
    for port, variable in (
        (settings.kafka_port, KAFKA_PIN),
        (settings.postgres_port, POSTGRES_PIN),
    ):
        if port is not None and port not in ours and not is_free(port):
            sentence = f"port {port} ({variable}) is taken{port_holder(port)}"
            return Check("ports", Verdict.MISSING, sentence)
    installation = load_installation(settings.home)
    kept = (
        {*installation.kafka_ports, *installation.controller_ports, installation.postgres_port}
        if installation and not ours
        else set()
    )
    for port in kept - {None}:
        if port is not None and not is_free(port):
            sentence = f"port {port} is taken{port_holder(port)}: `bizops up` chooses another one"
            return Check("ports", Verdict.NOTE, sentence)
    return Check("ports", Verdict.OK, "no port that is needed is taken by another process")


def _services(settings: Settings) -> list[Check]:
    verdicts = {Health.HEALTHY: Verdict.OK, Health.STOPPED: Verdict.NOTE}
    return [
        Check(f"service {one.service}", verdicts.get(one.health, Verdict.MISSING), one.note)
        for one in look(settings)
    ]

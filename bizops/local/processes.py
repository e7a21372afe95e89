"""Processes that outlive the command which starts them, and that are never mistaken for others."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psutil

from bizops.errors import ServiceError

__all__ = [
    "Identity",
    "Process",
    "as_user",
    "find_in_folder",
    "is_running",
    "spawn",
    "stop",
    "tail",
]

# A system clock that is set right moves every create time psutil computes by as much as it moved;
# no system hands out one pid twice within so short a time.
CREATED_TOLERANCE_S = 2.0
ROTATE_BYTES = 10 * 1024 * 1024
# What a service may see of our environment: no secret of ours, no option for another Java.
PASSED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True)
class Process:
    """One process as it is remembered: a pid alone may belong to something else tomorrow.

    Attributes
    ----------
    pid
        Process id.
    created_s
        When it began, in seconds of the Unix epoch.
    """

    pid: int
    created_s: float


@dataclass(frozen=True)
class Identity:
    """Unprivileged user that a service runs as where we are root."""

    uid: int
    gid: int


class UserArguments(TypedDict, total=False):
    """Arguments of :func:`subprocess.run` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


def as_user(identity: Identity | None) -> UserArguments:
    """Arguments for :func:`subprocess.run` to run as ``identity``; none to stay who we are."""
    if identity is None:
        return {}
    return {"user": identity.uid, "group": identity.gid, "extra_groups": []}


def _find(process: Process) -> psutil.Process | None:
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.created_s) < CREATED_TOLERANCE_S
        return found if same and found.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def is_running(process: Process) -> bool:
    """Whether it still runs: a zombie does not, nor does another one that got its pid."""
    return _find(process) is not None


def find_in_folder(folder: Path, name: str) -> list[Process]:
    """Processes called ``name`` which work in exactly ``folder``, oldest first.

    Finds our services when what was remembered of them is lost, and the children of a postgres
    that was killed.
    """
    found = [
        Process(one.pid, one.info["create_time"])
        for one in psutil.process_iter(["name", "cwd", "create_time", "status"])
        if one.info["name"] == name
        and one.info["cwd"] == str(folder.resolve())
        and one.info["status"] != psutil.STATUS_ZOMBIE
    ]
    return sorted(found, key=lambda process: (process.created_s, process.pid))


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    identity: Identity | None = None,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start ``command`` in a session of its own, working in ``folder``, writing to ``log``.

    It may have ended by the time this returns: ask :func:`is_running`.

    Raises
    ------
    ServiceError
        If it can't be started.
    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > ROTATE_BYTES:
        log.replace(log.with_suffix(".1.log"))
    # The shell leaves at once, so that the service becomes a child of init: whoever called us
    # neither has to reap it nor is warned that it still runs.
    detached = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *map(str, command)]
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        with log.open("ab") as output:
            answer = subprocess.run(
                detached,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=folder,
                check=True,
                env={**passed_on, **(environment or {})},
                start_new_session=True,
                **as_user(identity),
            )
        pid = int(answer.stdout)
        return Process(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:  # it ended at once: whoever waits for it says so, with its log
        return Process(pid, time.time())
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise ServiceError(f"{command[0]} can't be started: {error}") from error


def stop(
    processes: Iterable[Process], *, polite: signal.Signals = signal.SIGTERM, patience_s: float
) -> bool:
    """End processes: ``polite`` to all of them, SIGKILL for what is left after ``patience_s``.

    Returns
    -------
    Whether any of them ran.

    Raises
    ------
    ServiceError
        If one survives even that, or isn't ours to end.
    """
    left = [one for one in processes if is_running(one)]
    ran = bool(left)
    for sent, wait_s in ((polite, patience_s), (signal.SIGKILL, 10.0)):
        for process in left:
            _send(process, sent)
        until = time.monotonic() + wait_s
        while (left := [one for one in left if is_running(one)]) and time.monotonic() < until:
            time.sleep(0.05)
        if not left:
            return ran
    raise ServiceError(f"process {left[0].pid} can't be ended, even with SIGKILL")


def _send(process: Process, sent: signal.Signals) -> None:
    found = _find(process)
    if found is not None:
        try:
            found.send_signal(sent)
        except psutil.NoSuchProcess:
            pass
        except psutil.AccessDenied as error:
            raise ServiceError(
                f"process {process.pid} belongs to {found.username()}: end it as that user"
            ) from error


def tail(log: Path, lines: int = 15) -> str:
    """Last lines of a log, with the place to read on."""
    if not log.exists():
        return f"({log} does not exist)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        last = file.read().decode(errors="replace").splitlines()[-lines:]
    return "\n".join([*(f"  {line}" for line in last), f"  (from {log})"])

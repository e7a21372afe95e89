"""Ports on 127.0.0.1: chosen once, pinned if a person says so, never taken from somebody else."""

import random
import socket
from collections.abc import Collection

import psutil

from bizops.errors import ServiceError, UsageError

__all__ = ["HOST", "choose_port", "is_free", "is_listening", "port_holder", "require_free"]

HOST = "127.0.0.1"
# Below the ports that systems lend to outgoing connections: a port kept from one start to the
# next would often be on loan.
CHOICES = range(15000, 30000)


def is_free(port: int) -> bool:
    """Whether a service could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def is_listening(host: str, port: int, timeout_s: float) -> bool:
    """Whether something accepts connections on ``port`` of ``host`` within ``timeout_s``."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def choose_port(kept: int | None, *, avoid: Collection[int], rng: random.Random) -> int:
    """``kept`` where it is still free, else another free port.

    Parameters
    ----------
    kept
        Port of the last start, if there was one.
    avoid
        Ports given to somebody else in this same start.
    rng
        Where the choice comes from.

    Raises
    ------
    ServiceError
        If no free port was found in 1000 attempts.
    """
    if kept is not None and kept not in avoid and is_free(kept):
        return kept
    for _ in range(1000):
        port = rng.choice(CHOICES)
        if port not in avoid and is_free(port):
            return port
    raise ServiceError(f"no free port found from {CHOICES.start} to {CHOICES.stop - 1} on {HOST}")


def require_free(port: int, variable: str) -> None:
    """Check a port that a person pinned.

    Raises
    ------
    UsageError
        If another process has it.
    """
    if not is_free(port):
        raise UsageError(
            f"port {port} ({variable}) is taken{port_holder(port)}: "
            f"end that process, or set {variable} to a free port"
        )


def port_holder(port: int) -> str:
    """Who listens on ``port``, as the end of a sentence; empty where the system won't tell."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr[1:] == (port,)
                and connection.pid is not None
            ):
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return ""

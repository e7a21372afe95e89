"""How workers are watched: where they answer, when they are stuck, and how they log."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from bizops.errors import UsageError
from bizops.variables import read_port, read_seconds

__all__ = ["Watching"]

LOG_FORMATS = ("text", "json")


@dataclass(frozen=True)
class Watching:
    """What a person decides about metrics, probes and logs.

    Attributes
    ----------
    metrics_port
        Where the first worker of a pool serves ``/metrics``, ``/live`` and ``/ready``, the others
        on the ports that follow (``BIZOPS_METRICS_PORT``); None serves nothing.
    live_metrics_port
        Where `bizops live` serves ``/metrics`` (``BIZOPS_LIVE_METRICS_PORT``); None serves nothing.
    metrics_host
        The address it is served on (``BIZOPS_METRICS_HOST``, 127.0.0.1 unless told).
    stall_limit_s
        With work waiting and both services answering, a worker that stored nothing for longer is
        no longer live (``BIZOPS_STALL_LIMIT_S``).
    lag_limit_s
        A worker whose oldest unstored event is older is not ready (``BIZOPS_LAG_LIMIT_S``).
    log_format
        ``text`` for people, or ``json`` (``BIZOPS_LOG``).
    """

    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    stall_limit_s: float = 300.0
    lag_limit_s: float = 300.0
    log_format: str = "text"
    live_metrics_port: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Watching":
        """Read from ``environment`` (the process's own unless given).

        Raises
        ------
        UsageError
            If a port or limit is no number of its range, or the format of logs is unknown.
        """
        env = os.environ if environment is None else environment
        log_format = env.get("BIZOPS_LOG") or "text"
        if log_format not in LOG_FORMATS:
            raise UsageError(f"BIZOPS_LOG is {log_format!r}; expected one of text, json")
        return cls(
            metrics_port=read_port(env, "BIZOPS_METRICS_PORT"),
            metrics_host=env.get("BIZOPS_METRICS_HOST") or cls.metrics_host,
            stall_limit_s=read_seconds(env, "BIZOPS_STALL_LIMIT_S", cls.stall_limit_s),
            lag_limit_s=read_seconds(env, "BIZOPS_LAG_LIMIT_S", cls.lag_limit_s),
            log_format=log_format,
            live_metrics_port=read_port(env, "BIZOPS_LIVE_METRICS_PORT"),
        )

    def environment(self, index: int = 0) -> dict[str, str]:
        """What the worker of that number in a pool, from 0, is told by its environment."""
        port = "" if self.metrics_port is None else str(self.metrics_port + index)
        live_port = "" if self.live_metrics_port is None else str(self.live_metrics_port)
        return {
            "BIZOPS_METRICS_PORT": port,
            "BIZOPS_LIVE_METRICS_PORT": live_port,
            "BIZOPS_METRICS_HOST": self.metrics_host,
            "BIZOPS_STALL_LIMIT_S": str(self.stall_limit_s),
            "BIZOPS_LAG_LIMIT_S": str(self.lag_limit_s),
            "BIZOPS_LOG": self.log_format,
        }

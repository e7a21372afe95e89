"""Quix Streams' PostgreSQLSink; the process itself is :mod:`benchmarks.peers.quix_app`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contestant import Contestant, Target
from benchmarks.peers.environments import quix_python

__all__ = ["Quix"]


@dataclass
class Quix(Contestant):
    """One process a worker, in an environment that has nothing of ours."""

    def command(self, target: Target) -> Sequence[str | Path]:
        return [quix_python(), Path(__file__).with_name("quix_app.py")]

"""The contestants of the benchmark, by name."""

from benchmarks.peers.contestant import Contestant, Target
from benchmarks.peers.debezium import Debezium
from benchmarks.peers.quix import Quix

__all__ = ["Contestant", "Target", "contestants"]


def contestants() -> list[Contestant]:
    """All of them, in the order in which they run and are reported."""
    bare, ours = "benchmarks.peers.bare", "benchmarks.peers.ours"
    every = []
    for size in (1, 2):
        every += [
            Contestant(f"bare loop, our SQL x {size}", f"{bare}", real=True, size=size),
            Contestant(f"bizops stream x {size}", "streams.worker", real=True, size=size),
        ]
    for size in (1, 2):
        every += [
            Contestant(f"bare loop, plain x {size}", bare, size=size),
            Contestant(f"bizops worker, plain x {size}", ours, size=size),
            Quix(f"Quix Streams x {size}", size=size),
            Debezium(f"Debezium, plain x {size}", size=size, warm=True),
            Debezium(f"Debezium, unnest x {size}", size=size, warm=True, unnest=True),
        ]
    return every

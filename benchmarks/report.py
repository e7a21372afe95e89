"""The results as the Markdown of docs/benchmarks.md: ``python -m benchmarks.report bench.json``."""

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import environments
from bizops.database import opened
from bizops.endpoints import Endpoints

__all__ = ["markdown", "versions"]

PEERS = ("Quix", "Debezium")


def versions(endpoints: Endpoints) -> dict[str, str]:
    """Of everything that was compared."""
    with opened(endpoints.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("show server_version")
        (postgres,) = cursor.fetchone() or ("",)
    return {
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
        "Kafka and Kafka Connect": environments.CONNECT,
        "PostgreSQL": postgres,
        "Quix Streams": environments.QUIX.rpartition("==")[2],
        "Debezium JDBC sink": environments.DEBEZIUM,
        "confluent-kafka": environments.CONFLUENT.rpartition("==")[2],
    }


def markdown(found: dict[str, Any]) -> str:
    """Three tables: rates, latency, kills."""
    results: dict[str, dict[str, Any]] = found["results"]
    lines = [", ".join(f"{name} {value}" for name, value in found["versions"].items()), ""]
    lines += [f"{found['events']:,} events.", ""]
    lines += ["| | events/s | CPU s per million | MiB |", "|---|---|---|---|"]
    for name, kept in results.items():
        for which in ("rate", "cold", "warm", "stored"):
            if which in kept:
                label = name if which == "rate" else f"{name}, {which}"
                one = kept[which]
                lines.append(
                    f"| {label} | {one['events_per_s']:,.0f} | {one['cpu_s_per_million']:.1f} "
                    f"| {one['memory_mib']:.0f} |"
                )
    lines += ["", "| event to visible | events/s | p50 ms | p99 ms | of a core |"]
    lines += ["|---|---|---|---|---|"]
    for name, kept in results.items():
        for which in ("steady", "half"):
            if which in kept:
                one = kept[which]
                lines.append(
                    f"| {name} | {one['rate']:,.0f} | {one['p50_ms']:.0f} | {one['p99_ms']:.0f} "
                    f"| {one['cpu_share']:.0%} |"
                )
    lines += [
        "",
        "| after kills with -9 | kills | events | lost | twice |",
        "|---|---|---|---|---|",
    ]
    for name, kept in results.items():
        if "kills" in kept:
            one = kept["kills"]
            lines.append(
                f"| {name} | {one['kills']} | {one['published']:,} | {one['lost']} "
                f"| {one['twice']} |"
            )
    return "\n".join([*lines, "", *_ratios(results)])


def _ratios(results: dict[str, dict[str, Any]]) -> list[str]:
    """What was aimed at, and what it came to."""
    best = {name: max((k[w]["events_per_s"] for w in ("rate", "warm") if w in k), default=0.0)
            for name, k in results.items()}  # fmt: skip
    peer = max((rate for name, rate in best.items() if name.startswith(PEERS)), default=0.0)
    lines = ["| ratio | wanted | measured |", "|---|---|---|"]
    for size in (1, 2):
        for name, other, wanted in (
            (f"bizops stream x {size}", best.get(f"bare loop, our SQL x {size}", 0.0), 0.9),
            (f"bizops worker, plain x {size}", peer, (1.15, 1.6)[size - 1]),
        ):
            if best.get(name) and other:
                against = "bare loop with the same SQL" if "stream" in name else "best warm peer"
                lines.append(f"| {name} to {against} | {wanted} | {best[name] / other:.2f} |")
        kept = results.get(f"bizops stream x {size}", {})
        if "stored" in kept and "rate" in kept:
            share = kept["stored"]["events_per_s"] / kept["rate"]["events_per_s"]
            lines.append(f"| bizops stream x {size}, filled to empty | 0.7 | {share:.2f} |")
    return lines


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))

"""Which port each service gets: kept from the last start, pinned by a person, or chosen."""

import random
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from bizops.errors import UsageError
from bizops.local.ports import choose_port, require_free
from bizops.local.state import Installation, Running
from bizops.settings import Settings

__all__ = ["require_pins", "with_ports"]

KAFKA_PIN = "BIZOPS_KAFKA_PORT"
POSTGRES_PIN = "BIZOPS_POSTGRES_PORT"


def require_pins(settings: Settings, running: Running) -> None:
    """Check that what runs already does so on the port a person pinned since.

    Raises
    ------
    UsageError
        If it runs on another one.
    """
    ports = {broker.node_id: broker.port for broker in running.brokers}
    postgres = running.postgres.port if running.postgres else None
    for service, variable, pinned, port in (
        ("Kafka", KAFKA_PIN, settings.kafka_port, ports.get(1)),
        ("PostgreSQL", POSTGRES_PIN, settings.postgres_port, postgres),
    ):
        if port is not None and pinned not in (None, port):
            raise UsageError(
                f"{service} runs on port {port}, and {variable} is {pinned}: "
                f"`bizops down` first, then `bizops up`"
            )


def with_ports(
    installation: Installation, running: Running, settings: Settings, *, rng: random.Random
) -> Installation:
    """``installation`` with a port for all that is about to start; what runs keeps its own.

    Raises
    ------
    UsageError
        If a pinned port is taken.
    """
    pins = {port for port in (settings.kafka_port, settings.postgres_port) if port is not None}
    given = {*pins, *installation.kafka_ports, *installation.controller_ports}
    choose = partial(_choose, given=given, rng=rng)
    if not settings.kafka:
        installation = _with_kafka_ports(installation, running, settings.kafka_port, choose)
    if not settings.database_url and running.postgres is None:
        kept = installation.postgres_port
        port = choose(kept, pinned=settings.postgres_port, variable=POSTGRES_PIN)
        installation = replace(installation, postgres_port=port)
    return installation


def _choose(
    kept: int | None,
    *,
    given: set[int],
    rng: random.Random,
    pinned: int | None = None,
    variable: str = "",
) -> int:
    if pinned is not None:
        require_free(pinned, variable)
        return pinned
    others: Collection[int] = given - {kept}
    port = choose_port(kept, avoid=others, rng=rng)
    given.add(port)
    return port


def _with_kafka_ports(
    installation: Installation, running: Running, pinned: int | None, choose: Callable[..., int]
) -> Installation:
    alive = {broker.node_id: broker.port for broker in running.brokers}
    nodes = range(1, installation.brokers + 1)
    kept = dict(zip(nodes, installation.kafka_ports, strict=False))
    controllers = dict(zip(nodes, installation.controller_ports, strict=False))
    ports = {
        node: alive.get(node)
        or choose(kept.get(node), pinned=pinned if node == 1 else None, variable=KAFKA_PIN)
        for node in nodes
    }
    # A broker that runs has the ports of all controllers in its configuration: those stay.
    if not alive:
        controllers = {node: choose(controllers.get(node)) for node in nodes}
    return replace(
        installation,
        kafka_ports=tuple(ports.values()),
        controller_ports=tuple(controllers.values()),
    )

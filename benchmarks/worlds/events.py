"""A world as the events that producers would publish of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.worlds.world import World
from bizops.events import AnyEvent, build_event

__all__ = ["world_events"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def world_events(world: World) -> Iterator[AnyEvent]:
    """Accounts, touches, revenue and lift tests; each as a valid event of the contract."""
    for number, row in enumerate(world.tables["accounts"].to_pylist()):
        head = {"type": "account", "event_id": f"state-{number:07}"}
        yield _event(head, row | {"day_only": 0})
    for kind in ("touch", "revenue"):
        for row in world.tables["touches" if kind == "touch" else kind].to_pylist():
            yield _event({"type": kind}, row)
    yield from world.lift_tests


def _event(head: dict[str, Any], row: dict[str, Any]) -> AnyEvent:
    moment = EPOCH + timedelta(microseconds=row.pop("time_us"))
    when = {"occurred_on": moment.date()} if row.pop("day_only") else {"occurred_at": moment}
    return build_event(head | row | when | {"source": "worlds"})

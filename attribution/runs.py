"""A fit is a run: kept whether it was published or failed, and one at a time."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from attribution.journeys import QUERIES
from bizops.database import Connection, connect, opened
from bizops.errors import BizopsError, UsageError

__all__ = [
    "Run",
    "channel_table",
    "exclusive",
    "fail_run",
    "find_run",
    "list_runs",
    "new_run_id",
    "publish_run",
    "read_snapshot",
    "start_run",
]

LOCK = 7_202_615  # any number, the same in each process


@dataclass(frozen=True)
class Run:
    """A row of ``attribution.runs``."""

    run_id: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    data_until: datetime | None
    settings: dict[str, Any]
    data: dict[str, Any] | None
    diagnostics: dict[str, Any] | None
    timings: dict[str, Any] | None
    artifact: str | None
    error: str | None


def new_run_id(now: datetime) -> str:
    """An id that sorts by time, such as ``20261122T170501-ab12cd``."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@contextmanager
def exclusive(database_url: str) -> Iterator[None]:
    """Hold the right to attribute in this database.

    Whoever holds it knows that a run still marked as running was interrupted, and marks it failed.

    Raises
    ------
    BizopsError
        If another process holds it.
    """
    connection = connect(database_url, application="bizops-attribute-lock")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(%s)", (LOCK,))
            if cursor.fetchone() != (True,):
                raise BizopsError(
                    "another `bizops attribute` or `bizops restate` is at work on this database; "
                    "wait until it is done"
                )
            cursor.execute(QUERIES["fail_interrupted"])
        yield
    finally:
        connection.close()


def start_run(
    database_url: str, run_id: str, started_at: datetime, settings: dict[str, Any]
) -> None:
    """Record that a run has started."""
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(QUERIES["start_run"], (run_id, started_at, json.dumps(settings)))


def fail_run(database_url: str, run_id: str, error: str, **found: Any) -> None:
    """Record why a run was not published, with what was found until then."""
    values = dict.fromkeys(("data", "diagnostics", "timings", "data_until", "artifact"))
    values |= {"run_id": run_id, "error": error} | _encoded(found)
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(QUERIES["fail_run"], values)


def publish_run(connection: Connection, run_id: str, **found: Any) -> None:
    """Make a run the published one, in the transaction that wrote its credit."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["publish_run"], {"run_id": run_id} | _encoded(found))


def read_snapshot(connection: Connection) -> dict[str, Any]:
    """Which rows this transaction sees (``seen``, for ``stream.is_new``), and since when."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["snapshot"])
        row = cursor.fetchone()
    assert row is not None
    return dict(zip(("seen", "seen_at"), row, strict=True))


def list_runs(connection: Connection, limit: int = 20) -> list[Run]:
    """The newest runs first."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["list_runs"], (limit,))
        return [Run(*row) for row in cursor.fetchall()]


def find_run(connection: Connection, run_id: str) -> Run:
    """One run by its id, or by a beginning that only it has.

    Raises
    ------
    UsageError
        If there is none, or more than one.
    """
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["find_run"], (run_id,))
        found = [Run(*row) for row in cursor.fetchall()]
    if len(found) != 1:
        what = "no run" if not found else "more than one run"
        raise UsageError(f"{what} '{run_id}'; `bizops runs list` shows them")
    return found[0]


def channel_table(connection: Connection, run: Run) -> list[dict[str, Any]]:
    """What a run credits to each channel over all time, by the model, or by last touch without."""
    model = "last_touch" if run.settings.get("rules_only") else "bayesian"
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["channel_table"], {"run_id": run.run_id, "model": model})
        rows = cursor.fetchall()
    ends = ("mean", "low", "high")
    return [
        {"channel": row[0], "model": model, "currency": row[1]}
        | {"conversions": dict(zip(ends, row[2:5], strict=True))}
        | {"iacv": dict(zip(ends, row[5:8], strict=True))}
        for row in rows
    ]


def _encoded(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in found.items()
    }

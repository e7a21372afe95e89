"""A fit is a run: kept whether it was published or failed, and one at a time."""

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2

from attribution.journeys import QUERIES
from bizops.bounds import bounded_channels, with_bound
from bizops.database import Connection, Cursor, connect, opened
from bizops.errors import BizopsError, BusyError, ServiceError, UsageError
from bizops.models import BAYESIAN

__all__ = [
    "Run",
    "channel_table",
    "exclusive",
    "fail_run",
    "find_run",
    "list_runs",
    "new_run_id",
    "publish_run",
    "published_run",
    "read_snapshot",
    "remove_leftovers",
    "run_folder",
    "settle_failure",
    "start_run",
]

LOCK = 7_202_615  # any number, the same in each process
LOOK_AGAIN_S = 0.5


@dataclass(frozen=True)
class Run:
    """A row of ``attribution.runs``.

    Attributes
    ----------
    status
        ``running``, ``failed``, ``published`` (also of a run that another took the place of) or
        ``withdrawn`` (rolled back).
    published_at
        When it was last published; the latest of those with status ``published`` is what reports
        read.
    """

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
    published_at: datetime | None


def new_run_id(now: datetime) -> str:
    """An id that sorts by time, such as ``20261122T170501-ab12cd``."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@contextmanager
def exclusive(
    database_url: str, wait_s: float = 0.0, say: Callable[[str], None] = lambda line: None
) -> Iterator[None]:
    """Hold the right to attribute in this database.

    It goes with the connection, so that a process that is killed leaves it. Whoever holds it knows
    that a run still marked as running was interrupted, and marks it failed.

    Parameters
    ----------
    wait_s
        How long to wait for another process that holds it.

    Raises
    ------
    BusyError
        If another process holds it, and still does after that time.
    """
    connection = connect(database_url, application="bizops-attribute-lock")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            # a machine that vanished without a word is noticed in a minute, not in two hours
            cursor.execute(QUERIES["notice_lost_clients"])
            until = time.monotonic() + wait_s
            waited = False
            while not _locked(cursor):
                if time.monotonic() >= until:
                    raise BusyError(_who_is_at_work(cursor, wait_s))
                if not waited:
                    say(f"another run or restatement is at work; waiting up to {wait_s:g} s")
                    waited = True
                time.sleep(max(min(LOOK_AGAIN_S, until - time.monotonic()), 0.0))
            cursor.execute(QUERIES["fail_interrupted"])
        yield
    finally:
        # that a connection was closed the server notices a moment later: the next may have asked
        with suppress(psycopg2.Error), connection.cursor() as cursor:
            cursor.execute("select pg_advisory_unlock_all()")
        connection.close()


def _locked(cursor: Cursor) -> bool:
    cursor.execute("select pg_try_advisory_lock(%s)", (LOCK,))
    return cursor.fetchone() == (True,)


def _who_is_at_work(cursor: Cursor, wait_s: float) -> str:
    cursor.execute(QUERIES["running"])
    row = cursor.fetchone()
    which = f" (run {row[0]}, since {row[1]:%Y-%m-%d %H:%M} UTC)" if row else ""
    still = f", after {wait_s:g} s still" if wait_s else ""
    return (
        f"another `bizops attribute`, `retrain` or `restate` is at work on this database{which}"
        f"{still}; try again when it is done (`bizops retrain --wait SECONDS` waits for it)"
    )


def run_folder(home: Path, run_id: str) -> Path:
    """Where a run keeps its files."""
    return home / "runs" / run_id


def remove_leftovers(connection: Connection, home: Path) -> None:
    """Remove files of runs that ended before their draws were whole; for whoever has the right."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["without_artifact"])
        for (run_id,) in cursor.fetchall():
            shutil.rmtree(run_folder(home, run_id), ignore_errors=True)


def start_run(
    database_url: str, run_id: str, started_at: datetime, settings: dict[str, Any]
) -> None:
    """Record that a run has started."""
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(QUERIES["start_run"], (run_id, started_at, json.dumps(settings)))


def fail_run(database_url: str, run_id: str, error: str, **found: Any) -> str:
    """Record why a run was not published, with what was found until then.

    Returns
    -------
    Its status from now on: not ``failed`` if it was published all the same.
    """
    values = dict.fromkeys(("data", "diagnostics", "timings", "data_until", "artifact"))
    values |= {"run_id": run_id, "error": error} | _encoded(found)
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(QUERIES["fail_run"], values)
        return find_run(connection, run_id).status


def settle_failure(database_url: str, run_id: str, error: BaseException, **found: Any) -> None:
    """Record what ended a run, and raise it again, an error of PostgreSQL's in one sentence.

    Where a connection is lost in the middle of a commit, the run may be published although nobody
    was told; then there is nothing to raise.
    """
    reason = str(error) if isinstance(error, BizopsError) else repr(error)
    if isinstance(error, KeyboardInterrupt):
        reason = "interrupted"
    try:
        status = fail_run(database_url, run_id, reason, **found)
    except (ServiceError, psycopg2.Error):
        status = "unknown"
    if not isinstance(error, psycopg2.Error):
        raise error
    if status == "published":
        return
    told = str(error).strip().partition("\n")[0] or type(error).__name__
    fate = (
        "nothing of it is published"
        if status == "failed"
        else "nor can it be asked now whether anything was published (`bizops runs list`)"
    )
    raise ServiceError(f"run {run_id}: PostgreSQL failed ({told}); {fate}") from error


def publish_run(connection: Connection, run_id: str, **found: Any) -> None:
    """Make a run the published one, in the transaction that wrote its credit.

    Raises
    ------
    BusyError
        If it is not running any more: another process took it for interrupted, because the
        connection that held the right to attribute was lost.
    """
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["publish_run"], {"run_id": run_id} | _encoded(found))
        if cursor.rowcount != 1:
            raise BusyError(
                f"run {run_id} is not published: the connection that held the right to attribute "
                "was lost in the middle, and another process has taken over"
            )


def read_snapshot(connection: Connection) -> dict[str, Any]:
    """Which rows this transaction sees (``seen``, for ``stream.is_new``), and since when."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["snapshot"])
        row = cursor.fetchone()
    assert row is not None
    return dict(zip(("seen", "seen_at"), row, strict=True))


def published_run(connection: Connection) -> Run | None:
    """The run that reports read; None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["published_run"])
        row = cursor.fetchone()
    return Run(*row) if row else None


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


def channel_table(
    connection: Connection, run: Run, model: str | None = None
) -> list[dict[str, Any]]:
    """What a run credits to each channel over all time, by the model, or by last touch without.

    Rows of channels whose credit is an upper bound have ``bound`` set to ``"upper"``, and no more
    at the low ends than 0.
    """
    model = model or ("last_touch" if run.settings.get("rules_only") else "bayesian")
    with connection.cursor() as cursor:
        cursor.execute(QUERIES["channel_table"], {"run_id": run.run_id, "model": model})
        rows = cursor.fetchall()
    ends = ("mean", "low", "high")
    bounded = bounded_channels(run.diagnostics) if model == BAYESIAN else {}
    table = []
    for row in rows:
        figures = [dict(zip(ends, row[at : at + 3], strict=True)) for at in (2, 5)]
        if row[0] in bounded:
            figures = [with_bound(one) for one in figures]
        table.append(
            {"channel": row[0], "model": model, "currency": row[1]}
            | {"conversions": figures[0], "iacv": figures[1]}
            | ({"bound": "upper"} if row[0] in bounded else {})
        )
    return table


def _encoded(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in found.items()
    }

"""The marts, built and tested by dbt from the timelines and the published credit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg2 import sql

from bizops.database import Connection, connect, opened
from bizops.errors import ServiceError, UsageError
from bizops.settings import Settings
from warehouse.changes import note_built
from warehouse.rights import TRANSFORM
from warehouse.roles import roles_are_used
from warehouse.schema import check_schema
from warehouse.sums import Sums, sum_credit

__all__ = ["Transformed", "transform"]

PROJECT = Path(__file__).parent / "dbt"
LOCK = 7_202_615  # one at a time transforms a database, and none changes its credit meanwhile
SESSION = ("jit=off", "work_mem=256MB", "maintenance_work_mem=512MB")
RUN_DBT = "import json, sys; from dbt.cli.main import cli; cli(json.loads(sys.stdin.readline()))"
"""Its arguments come when it has loaded."""
FAILURES = ("error", "fail", "runtime error")
# what libpq reads from a URL and dbt's profile has no place for, as variables that it reads too
CONNECTION = {
    name: f"PG{name.upper().replace('_', '')}"
    for name in (
        "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslcertmode",
        "ssl_min_protocol_version", "channel_binding", "require_auth", "gssencmode",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Transformed:
    """What one run of dbt built.

    Attributes
    ----------
    rows
        Rows written of each mart, by its name; None of those that are views.
    is_full
        Whether all of them were made anew.
    models, tests
        How many were built, and how many passed.
    """

    rows: dict[str, int | None]
    models: int
    tests: int
    is_full: bool


def transform(
    settings: Settings,
    database_url: str,
    *,
    select: tuple[str, ...] = (),
    full: bool = False,
    unit_tests: bool = False,
    margin: float | None = None,
    now: datetime | None = None,
) -> Transformed:
    """Build the schemas ``staging``, ``intermediate`` and ``marts``, and test what they hold.

    dbt runs in a process of its own, with its target and logs under ``settings.home``; nothing is
    written beside the code. Two transformations of one database take turns.

    Parameters
    ----------
    select
        dbt selectors, such as ``+account_timeline``; everything unless given.
    full
        Make all tables anew. Without it, what has not changed since the last time stays as it is.
    unit_tests
        Test the SQL itself on made-up rows too, not only the data.
    margin
        Share of IACV that is left of products of which no event says it.
    now
        The moment it is, unless given otherwise.

    Raises
    ------
    ServiceError
        If the database cannot be reached or lacks its schema, or a model or a test fails: the
        text names it.
    UsageError
        If nothing is selected by ``select``.
    """
    folder = settings.home / "dbt"
    (folder / "target").mkdir(parents=True, exist_ok=True)
    connection = connect(database_url, application="bizops-transform")
    try:
        connection.autocommit = True
        check_schema(connection)
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
        as_role = roles_are_used(connection)
        asked = Sums(now or datetime.now(UTC), settings.currency, margin, settings.calendar)
        with _started(folder, _environment(connection, os.environ, as_role=as_role)) as dbt:
            with opened(database_url, application="bizops-sums") as another:
                another.set_session(isolation_level="REPEATABLE READ")
                if as_role:
                    with another.cursor() as cursor:
                        cursor.execute(sql.SQL("set role {}").format(sql.Identifier(TRANSFORM)))
                full = not sum_credit(another, asked, full=full)
            results_file = folder / "target" / "run_results.json"
            results_file.unlink(missing_ok=True)
            arguments = _arguments(folder, settings, select, full=full, unit_tests=unit_tests)
            said = "".join(dbt.communicate(json.dumps(arguments) + "\n"))
        results = _results(results_file)
        _refuse_failures(results, dbt.returncode, said, folder)
        if not results:
            raise UsageError(
                f"nothing is selected by {' '.join(select)!r}; marts are {', '.join(_marts())}"
            )
        if not select:
            with connection.cursor() as cursor:
                note_built(cursor)
    finally:
        connection.close()
    return _summary(results, is_full=full)


@contextmanager
def _started(folder: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """dbt, which takes seconds to load and waits for its arguments.

    It ends with what goes wrong here: nobody else would hold the lock for it.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-c", RUN_DBT],
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _arguments(
    folder: Path, settings: Settings, select: tuple[str, ...], *, full: bool, unit_tests: bool
) -> list[str]:
    calendar = settings.calendar
    variables = {
        "reporting_currency": settings.currency or "",
        "week_start": calendar.week_start,
        "fiscal_year_start": calendar.fiscal_year_start,
    }
    command = ["--quiet", "build", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    command += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    command += ["--vars", json.dumps(variables)]
    if not unit_tests:
        command += ["--exclude-resource-type", "unit_test"]
    if full:
        command += ["--full-refresh"]
    if select:  # no test of what is not selected
        command += ["--indirect-selection", "cautious", "--select", *select]
    return command


def _environment(
    connection: Connection, environment: Mapping[str, str], *, as_role: bool
) -> dict[str, str]:
    """What ``profiles.yml`` reads; dbt settings of the person's own are left out.

    Where there are roles, whoever transforms does it as the role, so that the marts are its own.
    """
    info = connection.info
    parameters = info.dsn_parameters
    kept = {name: value for name, value in environment.items() if not name.startswith("DBT_")}
    carried = {
        variable: parameters[name] for name, variable in CONNECTION.items() if parameters.get(name)
    }
    return kept | carried | {
        "BIZOPS_DBT_HOST": info.host,
        "BIZOPS_DBT_PORT": str(info.port),
        "BIZOPS_DBT_USER": info.user,
        "BIZOPS_DBT_DBNAME": info.dbname,
        "BIZOPS_DBT_SSLMODE": parameters.get("sslmode", "prefer"),
        "DBT_ENV_SECRET_BIZOPS_PASSWORD": info.password or "",
        "DO_NOT_TRACK": "1",
        "PGTZ": "UTC",
        # compiling took seconds where running takes milliseconds
        # and sorts of all touches go to disk with what a server grants unless asked
        "PGOPTIONS": " ".join(
            f"-c {setting}"
            for setting in (*SESSION, *([f"role={TRANSFORM}"] if as_role else []))
        ),
    }  # fmt: skip


def _results(file: Path) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = json.loads(file.read_text())["results"] if file.exists() else []
    return results


def _refuse_failures(
    results: list[dict[str, Any]], returncode: int, said: str, folder: Path
) -> None:
    failed = [result for result in results if result["status"] in FAILURES]
    log = folder / "logs" / "dbt.log"
    if failed:
        kind, _, name = failed[0]["unique_id"].split(".")[:3]
        message = " ".join((failed[0]["message"] or "no message").split())
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise ServiceError(f"dbt: {kind} {name} failed: {message}{more}; all of it is in {log}")
    if returncode:
        lines = said.strip().splitlines()
        message = " ".join(" ".join(lines[-8:]).split()) or "no message"
        raise ServiceError(f"dbt ended with {returncode}: {message}; all of it is in {log}")


def _summary(results: list[dict[str, Any]], *, is_full: bool) -> Transformed:
    ids = [(result["unique_id"].split("."), result["adapter_response"]) for result in results]
    marts = _marts()
    return Transformed(
        rows={
            i[2]: answer["rows_affected"] if answer["rows_affected"] >= 0 else None
            for i, answer in ids
            if i[0] == "model" and i[2] in marts
        },
        models=sum(i[0] == "model" for i, _ in ids),
        tests=sum(i[0] in ("test", "unit_test") for i, _ in ids),
        is_full=is_full,
    )


def _marts() -> list[str]:
    return sorted(file.stem for file in (PROJECT / "models" / "marts").glob("*.sql"))

"""PostgreSQL, plainly: a connection, and SQL kept as named blocks beside the code that runs it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from bizops.errors import ServiceError

__all__ = [
    "BUILT_SCHEMAS",
    "WRITTEN_SCHEMAS",
    "Connection",
    "Cursor",
    "connect",
    "load_queries",
    "opened",
]

WRITTEN_SCHEMAS = ("stream", "attribution", "warehouse")
"""Schemas that migrations make."""
BUILT_SCHEMAS = ("staging", "intermediate", "marts")
"""Schemas in which dbt makes tables anew; of the database nothing else is ours."""

BLOCK = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def connect(database_url: str, *, application: str = "bizops", timeout_s: int = 5) -> Connection:
    """Open a connection that speaks UTC.

    Raises
    ------
    ServiceError
        If PostgreSQL cannot be reached or refuses; the text never holds the password.
    """
    try:
        return psycopg2.connect(
            database_url,
            application_name=application,
            connect_timeout=timeout_s,
            options="-c timezone=UTC",
        )
    except psycopg2.OperationalError as error:
        reason = "; ".join(str(error).strip().splitlines())
        raise ServiceError(f"PostgreSQL cannot be reached: {reason}") from None
    except psycopg2.ProgrammingError:
        raise ServiceError(
            "the database URL cannot be read; expected postgresql://user:password@host:port/name"
        ) from None


@contextmanager
def opened(database_url: str, *, application: str = "bizops") -> Iterator[Connection]:
    """A connection for one transaction: committed at the end, rolled back on an error, closed."""
    connection = connect(database_url, application=application)
    try:
        yield connection
        connection.commit()
    except BaseException:
        # of a connection that is lost there is nothing to roll back, and the first error says why
        with suppress(psycopg2.Error):
            connection.rollback()
        raise
    finally:
        connection.close()


def load_queries(package: str, name: str = "queries.sql") -> dict[str, str]:
    """The blocks of a SQL file by name; each starts with ``-- name: <name>`` and a sentence."""
    text = files(package).joinpath(name).read_text()
    parts = BLOCK.split(text)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))

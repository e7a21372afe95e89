"""The schema of the database, brought to the newest revision by Alembic."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from psycopg2 import errors

from bizops.database import Connection, connect, opened
from bizops.errors import ServiceError
from warehouse.roles import grant_rights, roles_are_used

__all__ = ["check_schema", "downgrade", "migrate", "newest_revision"]

FOLDER = Path(__file__).parent / "migrations"
LOCK = 7_202_614  # any number, the same in each process: two that migrate at once take turns
VERSION_TABLE = "schema_version"


def migrate(database_url: str) -> tuple[str | None, str]:
    """Bring the schema to the newest revision; harmless where it is there already.

    All revisions are one transaction under one lock: either the whole schema is new or nothing
    changed, and two processes that migrate at once take turns.

    Returns
    -------
    The revision found (None in an empty database) and the revision now.

    Raises
    ------
    ServiceError
        If PostgreSQL cannot be reached or refuses, or the database is of a newer bizops.
    """
    from alembic import command

    found = _revise(database_url, lambda config: command.upgrade(config, "head"))
    with opened(database_url, application="bizops-migrate") as connection:
        if roles_are_used(connection):  # new tables belong to somebody's work too
            grant_rights(connection)
    return found, newest_revision()


def downgrade(database_url: str, revision: str = "base") -> str | None:
    """Take the schema back to ``revision``, with all data that later ones hold: for trials only.

    Returns the revision found; errors as in :func:`migrate`.
    """
    from alembic import command

    return _revise(database_url, lambda config: command.downgrade(config, revision))


def newest_revision() -> str:
    """The revision that this code is written for."""
    return _revisions()[-1]


def check_schema(connection: Connection) -> None:
    """Refuse a database whose schema is not the one this code is written for.

    Raises
    ------
    ServiceError
        If it has no schema, an older one, or one of a newer bizops.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"select version_num from {VERSION_TABLE}")
            row = cursor.fetchone()
    except errors.UndefinedTable:
        connection.rollback()
        row = None
    if row is None:
        raise ServiceError("the database has no schema yet: make it with `bizops migrate`")
    _refuse_newer(row[0])
    if row[0] != newest_revision():
        raise ServiceError(
            f"the database is at revision {row[0]}, but this bizops needs {newest_revision()}: "
            "bring it there with `bizops migrate`"
        )


def _revisions() -> list[str]:
    # the names of the files: Alembic takes half a second to load, and only migrating needs it
    return sorted(path.name.split("_")[0] for path in (FOLDER / "versions").glob("[0-9]*_*.py"))


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in _revisions():
        raise ServiceError(
            f"the database is at revision {found}, newer than this bizops, which knows "
            f"{_revisions()[0]} to {newest_revision()}: use the bizops that migrated it"
        )


def _revise(database_url: str, step: Callable[[Any], None]) -> str | None:
    import sqlalchemy
    from alembic.config import Config
    from alembic.migration import MigrationContext

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect(database_url, application="bizops-migrate"),
        poolclass=sqlalchemy.pool.NullPool,
    )
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"select pg_advisory_xact_lock({LOCK})"))
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            found = context.get_current_revision()
            _refuse_newer(found)
            config.attributes["connection"] = connection
            step(config)
    except sqlalchemy.exc.DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ServiceError(f"the schema cannot be changed, so nothing was: {reason}") from error
    return found

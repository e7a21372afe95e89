"""Roles with least rights, made and granted in one transaction; harmless to repeat."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from bizops.database import (
    BUILT_SCHEMAS,
    WRITTEN_SCHEMAS,
    Connection,
    Cursor,
    load_queries,
)
from bizops.errors import ServiceError, UsageError
from warehouse.rights import RIGHTS, ROLES, TRANSFORM

__all__ = ["create_logins", "grant_rights", "make_roles", "roles_are_used"]

QUERIES = load_queries("warehouse", "roles.sql")
REPORT = "bizops_report"
PRIVACY = "bizops_privacy"


def make_roles(connection: Connection) -> list[str]:
    """Make the roles that are missing, and grant each exactly what ``RIGHTS`` says.

    Returns
    -------
    The roles that were new.

    Raises
    ------
    ServiceError
        If whoever is connected may not make roles, or does not own the tables.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(QUERIES["lock"])
            there = _rows(cursor, "existing_roles", {"roles": list(ROLES)})
            new = [role for role in ROLES if role not in there]
            for role in new:
                cursor.execute(_text("create role {role} nologin", role=role))
            if not _rows(cursor, "is_superuser", {})[0]:
                for role in ROLES:
                    cursor.execute(_text("grant {role} to current_user", role=role))
            _own_schemas(cursor)
            grant_rights(connection)
    except psycopg2.errors.InsufficientPrivilege as error:
        reason = str(error).strip().partition("\n")[0]
        raise ServiceError(
            f"roles need someone who may make them and owns the tables: {reason}"
        ) from None
    return new


def roles_are_used(connection: Connection) -> bool:
    """Whether ``bizops roles`` has been run on this database."""
    with connection.cursor() as cursor:
        return bool(_rows(cursor, "roles_are_used", {"role": TRANSFORM})[0])


def grant_rights(connection: Connection) -> None:
    """Take every right back and grant those of ``RIGHTS``, in the caller's transaction."""
    with connection.cursor() as cursor:
        database = _rows(cursor, "this_database", {})[0]
        for role in ROLES:
            cursor.execute(_text("grant connect, temporary on database {d} to {role}",
                                 d=database, role=role))  # fmt: skip
            for schema in WRITTEN_SCHEMAS:
                names = {"schema": schema, "role": role}
                cursor.execute(
                    _text("revoke all on all tables in schema {schema} from {role}", **names)
                )
                cursor.execute(
                    _text("revoke all on all sequences in schema {schema} from {role}", **names)
                )
                cursor.execute(_text("revoke all on schema {schema} from {role}", **names))
        for role, schema in sorted({(right.role, right.schema) for right in RIGHTS}):
            cursor.execute(_text("grant usage on schema {s} to {role}", s=schema, role=role))
        for right in RIGHTS:
            columns = sql.SQL(", ").join(map(sql.Identifier, right.columns))
            where = sql.SQL(" ({})").format(columns) if right.columns else sql.Composed([])
            kind = sql.SQL("sequence ") if "usage" in right.privileges else sql.SQL("")
            cursor.execute(
                sql.SQL("grant {} on {}{} to {}").format(
                    sql.SQL(", ").join(sql.SQL(one) + where for one in right.privileges),
                    kind,
                    sql.Identifier(right.schema, right.relation),
                    sql.Identifier(right.role),
                )
            )


def create_logins(connection: Connection, file: Path) -> list[str]:
    """A login of each role, with a new password, and its URL in a file nobody else can read.

    A login that is there already gets the new password too: that is how passwords are changed.
    The server is told a password's hash alone, so that no log of statements has it.

    Raises
    ------
    UsageError
        If the file is there already, or can't be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{file} is there already; name a new file for the passwords") from None
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise UsageError(f"cannot write {file}: {reason}") from None
    with os.fdopen(descriptor, "w") as out, connection.cursor() as cursor:
        there = _rows(cursor, "existing_roles", {"roles": [_login(role) for role in ROLES]})
        for role in ROLES:
            login, password = _login(role), secrets.token_urlsafe(24)
            if login not in there:
                cursor.execute(_text("create role {login} login", login=login))
            cursor.execute(_text("grant {role} to {login}", role=role, login=login))
            hashed = encrypt_password(password, login, connection, "scram-sha-256")
            cursor.execute(_text("alter role {login} password %s", login=login), (hashed,))
            out.write(f"{login} {_url(connection.info.dsn_parameters, login, password)}\n")
    return [_login(role) for role in ROLES]


def _own_schemas(cursor: Cursor) -> None:
    """The schemas of the marts, and all that is in them, belong to the transform role."""
    for schema in BUILT_SCHEMAS:
        names = {"schema": schema, "role": TRANSFORM}
        if schema in _rows(cursor, "schemas", {}):
            cursor.execute(_text("alter schema {schema} owner to {role}", **names))
        else:
            cursor.execute(_text("create schema {schema} authorization {role}", **names))
        for relation in _rows(cursor, "owned_by_others", names):
            own = "alter table {schema}.{relation} owner to {role}"
            cursor.execute(_text(own, relation=relation, **names))
        _grant_built(cursor, schema, PRIVACY, "select, update, delete")
    _grant_built(cursor, "marts", REPORT, "select")


def _grant_built(cursor: Cursor, schema: str, to: str, privileges: str) -> None:
    """Grant rights on all that dbt has built in a schema and will build there."""
    for grant in (
        "grant usage on schema {schema} to {to}",
        f"grant {privileges} on all tables in schema {{schema}} to {{to}}",
        "alter default privileges for role {role} in schema {schema} "
        f"grant {privileges} on tables to {{to}}",
    ):
        cursor.execute(_text(grant, schema=schema, to=to, role=TRANSFORM))


def _login(role: str) -> str:
    return f"{role}_login"


def _url(parameters: Mapping[str, str], user: str, password: str) -> str:
    kept = ("sslmode", "sslrootcert")
    options = urlencode({name: parameters[name] for name in kept if parameters.get(name)})
    place = f"{parameters.get('host', 'localhost')}:{parameters.get('port', 5432)}"
    name = quote(parameters["dbname"], safe="")
    return f"postgresql://{user}:{quote(password, safe='')}@{place}/{name}?{options}"


def _rows(cursor: Cursor, query: str, parameters: Mapping[str, object]) -> list[str]:
    cursor.execute(QUERIES[query], parameters)
    return [row[0] for row in cursor.fetchall()]


def _text(statement: str, **names: str) -> sql.Composed:
    """A statement with names in it, each quoted."""
    return sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in names.items()})

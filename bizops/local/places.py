"""Where services may keep their files, and as whom they run."""

import hashlib
import os
import stat
from pathlib import Path

from bizops.errors import ServiceError
from bizops.local.processes import Identity

__all__ = ["can_enter", "choose_postgres_folder", "prepare_folder", "service_identity"]

NOBODY = 65534
# Used only by root, and only where an unprivileged user can't enter BIZOPS_HOME.
SYSTEM_FOLDER = Path("/var/lib/bizops")


def service_identity() -> Identity | None:
    """User for PostgreSQL, which refuses to run as root; None to run as who we are."""
    return Identity(NOBODY, NOBODY) if os.geteuid() == 0 else None


def can_enter(folder: Path, uid: int) -> bool:
    """Whether a user without groups of ours may traverse ``folder`` and all folders above it."""
    for one in (folder, *folder.parents):
        status = one.stat()
        needed = stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def choose_postgres_folder(
    home: Path, identity: Identity | None, system_folder: Path = SYSTEM_FOLDER
) -> Path:
    """Folder for PostgreSQL's files: under ``home`` unless its user can't enter there."""
    if identity is None or can_enter(home.resolve(), identity.uid):
        return home / "postgres"
    name = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    return system_folder / name / "postgres"


def prepare_folder(folder: Path, identity: Identity | None) -> None:
    """Create a folder that only the service's user may read.

    Raises
    ------
    ServiceError
        If it can't be created, or that user can't enter it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if identity:
            os.chown(folder, identity.uid, identity.gid)
    except OSError as error:
        raise ServiceError(f"{folder} can't be created for PostgreSQL: {error}") from error
    if identity and not can_enter(folder.resolve(), identity.uid):
        raise ServiceError(
            f"PostgreSQL runs as user {identity.uid}, because it refuses to run as root, and that "
            f"user can't enter {folder}: set BIZOPS_HOME to a folder that every user may enter"
        )

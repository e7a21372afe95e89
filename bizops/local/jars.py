"""Kafka's jars: named and pinned by checksum in this repository, fetched through ``jgo``."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bizops.errors import ServiceError

__all__ = ["LOCK_FILE", "PinnedJar", "default_cache", "fetch_jars", "read_lock"]

LOCK_FILE = Path(__file__).with_name("kafka_jars.lock")
DOWNLOADS_AT_ONCE = 6
ATTEMPTS = 3


@dataclass(frozen=True)
class PinnedJar:
    """One jar by its Maven coordinates, and what its bytes have to be."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the jar in the cache, as Maven names it."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(text: str) -> list[PinnedJar]:
    """Parse a lock file: ``group:artifact:version sha256`` a line, ``#`` begins a comment.

    >>> read_lock("# one\\norg.yaml:snakeyaml:2.5 0a1b\\n")[0].file_name
    'snakeyaml-2.5.jar'
    """
    jars = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            coordinates, sha256 = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(PinnedJar(group, artifact, version, sha256))
    return jars


def default_cache() -> Path:
    """Folder of jars that all installations of one person share."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bizops" / "jars"


def fetch_jars(cache: Path, jars: Sequence[PinnedJar] | None = None) -> list[Path]:
    """Paths of all jars, in classpath order, each with the checksum it has to have.

    What is missing is downloaded; a jar gets its name in the cache only once it is whole and
    verified, so that two processes may fill one cache.

    Parameters
    ----------
    cache
        Folder to look in and to fill.
    jars
        What is wanted; Kafka's own lock file unless given.

    Raises
    ------
    ServiceError
        If a jar can't be fetched, or its bytes are not the pinned ones.
    """
    wanted = read_lock(LOCK_FILE.read_text()) if jars is None else list(jars)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        missing = [jar for jar in wanted if not (cache / jar.file_name).exists()]
        if missing:
            with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
                list(pool.map(lambda jar: _download(jar, cache), missing))
        for jar in wanted:
            _verify(cache / jar.file_name, jar, remedy="delete it and run `bizops up` again")
    except OSError as error:
        raise ServiceError(f"Kafka's jars can't be kept in {cache}: {error}") from error
    return [cache / jar.file_name for jar in wanted]


def _verify(path: Path, jar: PinnedJar, *, remedy: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise ServiceError(
            f"{path} has the sha256 checksum {found}, but {LOCK_FILE.name} pins "
            f"{jar.group}:{jar.artifact}:{jar.version} to {jar.sha256}: {remedy}"
        )


def _download(jar: PinnedJar, cache: Path) -> None:
    # jgo writes straight to the final name and takes a broken file there for a good one: each
    # attempt gets a repository of its own.
    import requests
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
    reason: Exception | None = None
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as folder:
            context = MavenContext(repo_cache=Path(folder), remote_repos=repositories, timeout=30)
            component = context.project(jar.group, jar.artifact).at_version(jar.version)
            try:
                path = component.artifact().resolve()
            # requests' errors are OSErrors too: caught here, so that they are tried again.
            except (requests.RequestException, RuntimeError, ValueError) as error:
                reason = error
                continue
            _verify(path, jar, remedy="what Maven Central sent can't be trusted")
            path.replace(cache / jar.file_name)
            return
    raise ServiceError(
        f"{jar.group}:{jar.artifact}:{jar.version} can't be fetched from Maven Central: {reason}"
    )

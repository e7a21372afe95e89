"""What the peers need, installed into a cache of the benchmark's own and nowhere else."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from jgo.maven import MavenContext
from jgo.parse import Coordinate

__all__ = [
    "CONNECT",
    "DEBEZIUM",
    "confluent_path",
    "connect_jars",
    "debezium_plugin",
    "python_with",
    "quix_python",
]

QUIX = "quixstreams[postgresql]==3.28.1"
CONFLUENT = "confluent-kafka==2.16.1"
CONNECT = "4.3.1"
DEBEZIUM = "3.6.0.Final"


def cache() -> Path:
    """Where peers are kept between runs; deleting it is safe."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "bizops" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _uv(*arguments: str | Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, *arguments, "--quiet"], check=True)


def confluent_path() -> Path:
    """A folder with confluent-kafka alone, to be put on the path of processes that use it."""
    folder = cache() / CONFLUENT
    if not folder.exists():
        _uv("pip", "install", "--python", sys.executable, "--target", folder, CONFLUENT)
    return folder


def quix_python() -> Path:
    """The interpreter of an environment with Quix Streams and its PostgreSQL sink."""
    return python_with(QUIX.replace("[", "-").replace("]", ""), (QUIX,))


def python_with(name: str, packages: tuple[str, ...]) -> Path:
    """The interpreter of an environment of that name with these packages; installs them once."""
    folder = cache() / name
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        _uv("venv", folder, "--python", sys.executable, "--clear")
        _uv("pip", "install", "--python", python, *packages)
        (folder / "installed").touch()
    return python


def connect_jars() -> list[Path]:
    """Kafka Connect's own jars, from Maven Central."""
    context = MavenContext(repo_cache=cache() / "maven")
    runtime = context.create_dependency(
        Coordinate.parse(f"org.apache.kafka:connect-runtime:{CONNECT}")
    )
    inputs, transitive = context.resolver.resolve([runtime])
    wanted = [*inputs, *(one for one in transitive if one.scope in ("compile", "runtime"))]
    return [Path(one.artifact.resolve()) for one in wanted]


def debezium_plugin() -> Path:
    """The folder of Debezium's JDBC sink, from the archive that Debezium itself releases."""
    folder = cache() / f"debezium-{DEBEZIUM}"
    if not (folder / "installed").exists():
        context = MavenContext(repo_cache=cache() / "maven")
        project = context.project("io.debezium", "debezium-connector-jdbc").at_version(DEBEZIUM)
        archive = project.artifact(classifier="plugin", packaging="tar.gz").resolve()
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
        (folder / "installed").touch()
    return folder

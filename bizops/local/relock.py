"""Write ``kafka_jars.lock`` anew with ``python -m bizops.local.relock``, to raise a version."""

import hashlib
import tempfile
from pathlib import Path

from jgo.maven import MavenContext
from jgo.parse import Coordinate

from bizops.local.jars import LOCK_FILE, PinnedJar

__all__ = ["resolve_jars"]

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
# Alone, without its dependencies: its version has to equal that of Kafka's own log4j-core, and
# resolved together with Kafka its parent would pull kafka-clients back to 3.9.
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"


def resolve_jars(repository: Path) -> list[PinnedJar]:
    """Walk Kafka's dependencies, fetch every jar into ``repository`` and take its checksum."""
    context = MavenContext(repo_cache=repository)
    kafka = context.create_dependency(Coordinate.parse(KAFKA))
    logging = context.create_dependency(Coordinate.parse(LOGGING))
    inputs, transitive = context.resolver.resolve([kafka])
    needed = [*inputs, *(one for one in transitive if one.scope in ("compile", "runtime")), logging]
    return [
        PinnedJar(
            group=one.groupId,
            artifact=one.artifactId,
            version=one.version,
            sha256=hashlib.sha256(one.artifact.resolve().read_bytes()).hexdigest(),
        )
        for one in needed
    ]


def main() -> None:
    """Replace the lock file by what resolves now; the difference is for a person to read."""
    with tempfile.TemporaryDirectory() as folder:
        jars = resolve_jars(Path(folder))
    LOCK_FILE.write_text(
        "# Jars of the local Kafka, in classpath order: `python -m bizops.local.relock`.\n"
        + "".join(f"{jar.group}:{jar.artifact}:{jar.version} {jar.sha256}\n" for jar in jars)
    )
    print(f"{LOCK_FILE}: {len(jars)} jars")


if __name__ == "__main__":
    main()

"""A real Kafka and a real PostgreSQL on this machine, with no Docker and no system Java."""

from bizops.local.doctor import examine
from bizops.local.services import down, purge, up
from bizops.local.status import look

__all__ = ["down", "examine", "look", "purge", "up"]

"""The topics of the contract, made before anything is published or read."""

from collections.abc import Iterable

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from bizops.errors import ServiceError
from bizops.events import EVENT_TYPES
from bizops.settings import Settings

__all__ = ["TOPICS", "ensure_topics"]

TOPICS = tuple(sorted(event.topic for event in EVENT_TYPES.values()))
"""One topic a type of event, without the installation's prefix."""


def ensure_topics(settings: Settings, kafka: str, names: Iterable[str] = TOPICS) -> list[str]:
    """Make the topics that are missing and return all their full names.

    Replication is 3 on clusters of three brokers or more, with two in-sync replicas required, so
    that an acknowledged event survives the loss of one broker; 1 on smaller clusters.

    Raises
    ------
    ServiceError
        If Kafka cannot be reached, or refuses to make one.
    """
    wanted = [settings.topic(name) for name in names]
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=kafka.split(","), client_id="bizops", bootstrap_timeout_ms=10_000
        )
    except KafkaError as error:
        raise ServiceError(f"Kafka cannot be reached at {kafka}: {error}") from None
    try:
        missing = set(wanted) - set(admin.list_topics())
        if missing:
            copies = 3 if len(admin.describe_cluster()["brokers"]) >= 3 else 1
            configs = {"min.insync.replicas": "2"} if copies == 3 else {}
            new = [NewTopic(t, settings.partitions, copies, topic_configs=configs) for t in missing]
            admin.create_topics(new)
    except TopicAlreadyExistsError:
        pass  # another process was faster
    except KafkaError as error:
        raise ServiceError(f"Kafka at {kafka} refused to make topics: {error}") from None
    finally:
        admin.close()
    return wanted

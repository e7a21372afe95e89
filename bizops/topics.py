"""The topics of the contract, made before anything is published or read."""

from collections.abc import Iterable
from datetime import timedelta

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from bizops.errors import ServiceError
from bizops.events import EVENT_TYPES
from bizops.kafka_clients import open_client
from bizops.settings import Settings

__all__ = ["TOPICS", "ensure_topics", "retention"]

DAY_MS = 86_400_000

TOPICS = tuple(sorted(event.topic for event in EVENT_TYPES.values()))
"""One topic a type of event, without the installation's prefix."""
MANY = frozenset({"touches", "identities"})
"""Topics that workers share by partitions. The others get few events, so one is enough for them:
each fetch names all partitions of a worker, and that is most of what waiting for events costs."""


def ensure_topics(settings: Settings, kafka: str, names: Iterable[str] = TOPICS) -> list[str]:
    """Make the topics that are missing and return all their full names.

    Replication is 3 on clusters of three brokers or more, with two in-sync replicas required, so
    that an acknowledged event survives the loss of one broker; 1 on smaller clusters. Kafka keeps
    events for the settings' days; a topic that is there already keeps its own configuration.

    Raises
    ------
    ServiceError
        If Kafka cannot be reached, or refuses to make one.
    """
    wanted = {settings.topic(name): settings.partitions if name in MANY else 1 for name in names}
    admin = open_client(KafkaAdminClient, kafka, settings.kafka_security, client_id="bizops")
    try:
        missing = wanted.keys() - set(admin.list_topics())
        if missing:
            copies = 3 if len(admin.describe_cluster()["brokers"]) >= 3 else 1
            configs = {
                "cleanup.policy": "delete",
                "retention.ms": str(settings.retention_days * DAY_MS),
                "segment.ms": str(DAY_MS),  # only whole segments are deleted
            }
            if copies == 3:
                configs["min.insync.replicas"] = "2"
            new = [NewTopic(t, wanted[t], copies, topic_configs=configs) for t in missing]
            admin.create_topics(new)
    except TopicAlreadyExistsError:
        pass  # another process was faster
    except KafkaError as error:
        raise ServiceError(f"Kafka at {kafka} refused to make topics: {error}") from None
    finally:
        admin.close()
    return list(wanted)


def retention(settings: Settings, kafka: str) -> timedelta | None:
    """How long Kafka keeps an event of any topic of the contract; None for ever.

    Raises
    ------
    ServiceError
        If Kafka cannot be reached, or does not tell.
    """
    names = ["retention.ms", "segment.ms", "cleanup.policy"]
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, settings.topic(topic), names) for topic in TOPICS
    ]
    try:
        admin = open_client(KafkaAdminClient, kafka, settings.kafka_security, client_id="bizops")
        try:
            told = admin.describe_configs(wanted, config_filter="all")["topic"]
        finally:
            admin.close()
        values = [{name: kept["value"] for name, kept in one.items()} for one in told.values()]
        if any("delete" not in one["cleanup.policy"] for one in values):
            return None
        kept_ms = [(int(one["retention.ms"]), int(one["segment.ms"])) for one in values]
    except (KafkaError, KeyError) as error:
        raise ServiceError(
            f"Kafka at {kafka} does not tell how long it keeps events: {error}"
        ) from None
    if not kept_ms or any(kept < 0 for kept, _ in kept_ms):
        return None
    return timedelta(milliseconds=max(kept + segment for kept, segment in kept_ms))

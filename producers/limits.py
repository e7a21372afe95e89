"""How large a message each topic takes."""

from collections.abc import Iterable

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from bizops.errors import ServiceError
from bizops.events import MAX_EVENT_BYTES
from bizops.kafka_clients import open_client
from bizops.settings import Settings

__all__ = ["message_limits"]

OVERHEAD_BYTES = 256
"""What a message has besides its key and value, with room to spare."""


def message_limits(settings: Settings, kafka: str, topics: Iterable[str]) -> dict[str, int]:
    """Most bytes of key and value that a message of each topic may have.

    The contract's own bound, and less where a topic is set up with less. It has to be known
    beforehand: one message that a broker refuses ends an idempotent kafka-python producer, and
    with it the messages beside it. A cluster that does not tell is taken at the default.
    """
    limits = dict.fromkeys(topics, MAX_EVENT_BYTES)
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, topic, ["max.message.bytes"]) for topic in limits
    ]
    try:
        security = settings.kafka_security
        admin = open_client(KafkaAdminClient, kafka, security, client_id="bizops-limits")
        try:
            told = admin.describe_configs(wanted, config_filter="all")["topic"]
        finally:
            admin.close()
    except (KafkaError, ServiceError):
        return limits
    for topic, configs in told.items():
        if "max.message.bytes" in configs:
            most = int(configs["max.message.bytes"]["value"]) - OVERHEAD_BYTES
            limits[topic] = min(limits[topic], most)
    return limits

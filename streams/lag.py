"""How far the stream is behind Kafka: events published that no worker has committed yet."""

from collections.abc import Iterable

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from bizops.kafka_clients import open_client
from bizops.settings import Settings
from bizops.topics import TOPICS

__all__ = ["Lag"]


class Lag:
    """Looks at one group's offsets; holds connections, so close it.

    Raises
    ------
    ServiceError
        If Kafka cannot be reached.
    """

    def __init__(self, settings: Settings, kafka: str, names: Iterable[str] = TOPICS) -> None:
        self.group = settings.group
        self.topics = [settings.topic(name) for name in names]
        self._consumer = open_client(KafkaConsumer, kafka, settings.kafka_security, group_id=None)
        self._admin = open_client(KafkaAdminClient, kafka, settings.kafka_security)

    def gone(self) -> dict[str, int]:
        """By topic, records that were published and that Kafka no longer holds, if any."""
        gone: dict[str, int] = {}
        for topic in self.topics:
            numbers = self._consumer.partitions_for_topic(topic) or ()
            begins = self._consumer.beginning_offsets([TopicPartition(topic, n) for n in numbers])
            gone[topic] = sum(begins.values())
        return {topic: count for topic, count in gone.items() if count}

    def published(self) -> dict[TopicPartition, int]:
        """By partition that holds anything, the offset after its last event."""
        partitions = [
            TopicPartition(topic, number)
            for topic in self.topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        ends = self._consumer.end_offsets(partitions)
        begins = self._consumer.beginning_offsets(partitions)
        return {p: end for p, end in ends.items() if end > begins[p]}

    def behind(self, published: dict[TopicPartition, int]) -> int:
        """Events before the given offsets that are not committed as stored."""
        try:
            offsets = self._admin.list_group_offsets(self.group)[self.group]
        except KafkaError:
            offsets = {}
        begins = self._consumer.beginning_offsets(list(published)) if published else {}
        done = {p: max(o.offset, begins[p]) for p, o in offsets.items() if p in begins}
        return sum(max(0, end - done.get(p, begins[p])) for p, end in published.items())

    def close(self) -> None:
        """Give the connections back."""
        self._consumer.close()
        self._admin.close()

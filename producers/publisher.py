"""Events into Kafka: each acknowledged by every in-sync replica, or named as not delivered."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from bizops.errors import ServiceError
from bizops.events import AnyEvent
from bizops.kafka_clients import open_client
from bizops.settings import Settings
from bizops.topics import ensure_topics
from producers.limits import message_limits
from producers.source import Extracted, Rejected, text_of

__all__ = ["Limits", "Publisher", "Summary", "publish"]


@dataclass(frozen=True)
class Limits:
    """How much may wait for Kafka, and for how long.

    Attributes
    ----------
    events, bytes
        Most events, and bytes of keys and values, sent and not yet acknowledged; kafka-python
        itself has no bound. One event may always be sent.
    delivery_seconds
        After so long without an acknowledgement an event counts as not delivered.
    """

    events: int = 20_000
    bytes: int = 64 * 1024 * 1024
    delivery_seconds: float = 120.0


@dataclass
class Summary:
    """What became of the records.

    Attributes
    ----------
    published
        Acknowledged events by type.
    rejected
        Records that were not published.
    """

    published: Counter[str] = field(default_factory=Counter)
    rejected: int = 0

    @property
    def acknowledged(self) -> int:
        """Events that Kafka has for certain."""
        return self.published.total()


class _Sent(NamedTuple):
    future: Any
    origin: str
    event_type: str
    size: int


class Publisher:
    """Sends events and checks each delivery; a context manager.

    Kafka gets an event at least once, and once only while one publisher lives (the producer is
    idempotent). Events of one key keep their order.

    Parameters
    ----------
    settings
        Topic prefix and partitions; missing topics are made.
    kafka
        Bootstrap servers, ``host:port`` separated by commas.
    on_rejected
        Called with each event that is too large for its topic.
    limits
        Bounds on what is in flight.

    Raises
    ------
    ServiceError
        If Kafka cannot be reached.
    """

    def __init__(
        self,
        settings: Settings,
        kafka: str,
        on_rejected: Callable[[Rejected], None] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.summary = Summary()
        self.waiting_bytes = 0
        self._settings = settings
        self._on_rejected = on_rejected
        self._limits = limits or Limits()
        self._waiting: deque[_Sent] = deque()
        self._message_limits = message_limits(settings, kafka, ensure_topics(settings, kafka))
        self._producer = _connect(settings, kafka, self._limits)

    @property
    def waiting(self) -> int:
        """Events sent and not known to be acknowledged."""
        return len(self._waiting)

    def send(self, event: AnyEvent, origin: str = "") -> None:
        """Send one event; waits for acknowledgements while too much is in flight.

        Raises
        ------
        ServiceError
            If an event, this or an earlier one, was not delivered.
        """
        topic, key, value = self._settings.topic(event.topic), event.key.encode(), event.to_json()
        size, most = len(key) + len(value), self._message_limits[topic]
        if size > most:
            self._reject(origin, value, f"the event has {size:,} bytes; {topic} takes {most:,}")
            return
        self._make_room(size)
        try:
            future = self._producer.send(topic, value, key)
        except KafkaError as error:
            self._give_up(error, origin)
        self._waiting.append(_Sent(future, origin, event.type, size))
        self.waiting_bytes += size

    def finish(self) -> None:
        """Wait until every event sent so far is acknowledged; errors as in :meth:`send`."""
        while self._waiting:
            self._settle()

    def close(self) -> None:
        """Let go of Kafka; does not wait, call :meth:`finish` first."""
        with suppress(KafkaError):  # nothing depends on it any more
            self._producer.close(timeout=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()

    def _make_room(self, size: int) -> None:
        while self._waiting and (
            len(self._waiting) >= self._limits.events
            or self.waiting_bytes + size > self._limits.bytes
        ):
            self._settle()

    def _settle(self) -> None:
        """Wait for the oldest event's acknowledgement."""
        sent = self._waiting.popleft()
        self.waiting_bytes -= sent.size
        # The producer itself fails what is late; ten seconds are for its thread to say so.
        error = self._outcome(sent, self._limits.delivery_seconds + 10)
        if error:
            self._give_up(error, sent.origin)

    def _outcome(self, sent: _Sent, seconds: float) -> KafkaError | None:
        try:
            sent.future.get(timeout=seconds)
        except KafkaError as error:
            return error
        else:
            self.summary.published[sent.event_type] += 1
        return None

    def _reject(self, origin: str, value: bytes, sentence: str) -> None:
        self.summary.rejected += 1
        if self._on_rejected:
            self._on_rejected(Rejected(origin, "too_long", sentence, text_of(value)))

    def _give_up(self, error: KafkaError, origin: str) -> NoReturn:
        lost = 1 + self._abandon()
        where = f", the first from {origin}" if origin else ""
        raise ServiceError(
            f"Kafka did not acknowledge {lost:,} events{where} "
            f"({type(error).__name__}: {error}); {self.summary.acknowledged:,} were acknowledged. "
            "Publish the same again when Kafka answers: an event sent twice counts once"
        ) from None

    def _abandon(self) -> int:
        """Learn what became of all that is in flight; how many were not acknowledged."""
        deadline = time.monotonic() + self._limits.delivery_seconds + 10
        lost = 0
        while self._waiting:
            left = max(0.0, deadline - time.monotonic())
            lost += self._outcome(self._waiting.popleft(), left) is not None
        self.waiting_bytes = 0
        return lost


def publish(
    records: Iterable[Extracted | Rejected],
    publisher: Publisher,
    on_rejected: Callable[[Rejected], None],
) -> Summary:
    """Send what was extracted, pass on what was rejected, and wait for every acknowledgement.

    Raises
    ------
    ServiceError
        If an event was not delivered; it says how many were acknowledged.
    """
    for record in records:
        if isinstance(record, Rejected):
            publisher.summary.rejected += 1
            on_rejected(record)
        else:
            publisher.send(record.event, record.origin)
    publisher.finish()
    return publisher.summary


def _connect(settings: Settings, kafka: str, limits: Limits) -> Any:
    delivery_ms = int(limits.delivery_seconds * 1000)
    return open_client(
        KafkaProducer,
        kafka,
        settings.kafka_security,
        client_id="bizops-producer",
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=10,
        batch_size=128 * 1024,
        delivery_timeout_ms=delivery_ms,
        request_timeout_ms=min(30_000, delivery_ms // 2),
        max_block_ms=delivery_ms,
    )

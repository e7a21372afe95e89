"""Publishes all along and remembers what was acknowledged; what was not is published again."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from bizops.settings import Settings
from tests.faults.made import World

__all__ = ["Feeder"]

IN_FLIGHT = 10_000
DELIVERY_MS = 60_000


class Feeder(threading.Thread):
    """Feeds numbers from 0 to ``total`` at most as fast as it is told.

    Attributes
    ----------
    attempted, acknowledged
        By number: whether it may be in Kafka, and whether it certainly is.
    allowed
        Told how far feeding may have gone by now, so that it lasts as long as the faults.
    """

    def __init__(
        self,
        settings: Settings,
        kafka: str,
        world: World,
        total: int,
        allowed: Callable[[], int],
        rate: float,
    ) -> None:
        super().__init__(daemon=True, name="feeder")
        self.settings, self.kafka, self.world = settings, kafka, world
        self.total, self.allowed, self.rate = total, allowed, rate
        self.attempted = np.zeros(total, bool)
        self.acknowledged = np.zeros(total, bool)
        self.failed: BaseException | None = None
        self.unacknowledged_once = 0
        self._next = 0
        self._again: deque[int] = deque()
        self._waiting: deque[tuple[int, Any]] = deque()
        self._lock = threading.Lock()
        self._producer: Any = None

    @property
    def fed(self) -> int:
        """How many numbers have been handed out."""
        return self._next

    @property
    def done(self) -> bool:
        """Whether every number was handed out and is acknowledged."""
        return self._next >= self.total and bool(self.acknowledged.all())

    def take(self, count: int) -> range:
        """Hand numbers to another producer, which says what was acknowledged."""
        with self._lock:
            first = self._next
            self._next = min(self.total, first + count)
            self.attempted[first : self._next] = True
            return range(first, self._next)

    def publish_again(self, numbers: Iterable[int]) -> None:
        """Publish numbers another time; before others, and beyond any limit."""
        self._again.extend(numbers)

    def run(self) -> None:
        try:
            self._feed()
        except BaseException as error:
            self.failed = error
            raise

    def _feed(self) -> None:
        self._open()
        started, sent = time.monotonic(), 0
        while not self.done:
            numbers = self._chunk()
            for number in numbers:
                self._send(number)
            sent += len(numbers)
            if not numbers:
                self._settle(everything=True)
                time.sleep(0.05)
            ahead = sent / self.rate - (time.monotonic() - started)
            if ahead > 0:
                time.sleep(min(ahead, 1.0))
            elif ahead < -2:  # what was missed is not made up for in one burst
                started, sent = time.monotonic(), 0
        self._producer.close()

    def _chunk(self) -> list[int]:
        if self._again:
            return [self._again.popleft() for _ in range(min(500, len(self._again)))]
        with self._lock:
            first = self._next
            self._next = max(first, min(self.total, self.allowed(), first + 500))
            return list(range(first, self._next))

    def _send(self, number: int) -> None:
        made = self.world.make(number)
        self.attempted[number] = True
        if len(self._waiting) >= IN_FLIGHT:
            self._settle()
        try:
            future = self._producer.send(self.settings.topic(made.topic), made.value, key=made.key)
        except KafkaTimeoutError:  # no room or no metadata while brokers are away
            self._again.append(number)
            return
        except KafkaError:  # a producer that lost its place does not go on
            self._again.append(number)
            self._settle(everything=True)
            self._producer.close(timeout=5)
            self._open()
            return
        self._waiting.append((number, future))

    def _settle(self, *, everything: bool = False) -> None:
        keep = 0 if everything else IN_FLIGHT // 2
        while len(self._waiting) > keep:
            number, future = self._waiting.popleft()
            try:
                future.get(timeout=DELIVERY_MS / 1000 + 10)
                self.acknowledged[number] = True
            except KafkaError:
                self.unacknowledged_once += 1
                self._again.append(number)

    def _open(self) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=self.kafka.split(","),
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=20,
            batch_size=128 * 1024,
            delivery_timeout_ms=DELIVERY_MS,
            request_timeout_ms=15_000,
            max_block_ms=DELIVERY_MS,
        )

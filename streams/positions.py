"""How far each partition is, as the consumer knows it; Kafka is asked where it does not."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Partition", "Positions"]

ASK_AFTER_S = 5.0  # nothing was fetched for so long: Kafka is away, or our buffers are full
ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True)
class Partition:
    """How far one partition is, by offsets that come next; None where that is not known yet.

    Attributes
    ----------
    stored, end
        The first record that is not stored, and the one that will be published next.
    oldest_at
        Kafka's time of the oldest record in hand, in seconds since 1970; None if none is.
    """

    stored: int | None = None
    end: int | None = None
    oldest_at: float | None = None

    @property
    def lag(self) -> int:
        """Records published and not stored, as far as is known."""
        return 0 if self.stored is None or self.end is None else max(0, self.end - self.stored)


class Positions:
    """Follows a consumer from another thread than its own.

    Every fetch tells how far Kafka is, so a worker that reads needs no request of its own. One
    whose buffers are full fetches nothing, and would not learn how far it falls behind.

    Attributes
    ----------
    by_partition
        How far each partition of this worker is.
    joined
        Whether the group has given this worker its partitions.
    rebalances
        How often it has.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.clock, self.wall = clock, wall
        self.by_partition: dict[Any, Partition] = {}
        self.joined = False
        self.rebalances = 0
        self._assignment: Any = None
        self._asked_at = float("-inf")
        self._joined_at = self._met_at = clock()
        self._answered_at: dict[Any, float] = {}  # by partition
        self._ends: dict[Any, int] = {}
        self._behind_since: dict[Any, float] = {}

    def look(self, consumer: Any) -> None:
        """Read a :class:`streams.consumer.LosslessConsumer`, and ask Kafka what it lacks."""
        thread = consumer._thread
        inner = thread._consumer if thread is not None else None
        if inner is None:  # not started yet
            return
        subscription = inner._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is not None and assignment is not self._assignment:
            self._assignment = assignment
            self.rebalances += 1
            self._answered_at = dict.fromkeys(assignment.tps, self.clock())
            self._ends.clear()
            self._behind_since.clear()
        self.joined = assignment is not None and inner._coordinator.generation > 0
        if self.joined:
            self._joined_at = self.clock()
        self._read(consumer, assignment)
        self._ask(inner, thread.thread_loop)

    def unjoined_s(self) -> float:
        """Seconds since the worker was a member of its group."""
        return 0.0 if self.joined else self.clock() - self._joined_at

    def kafka_silent_s(self) -> float:
        """Seconds for which Kafka has told nothing of the partition it told least of."""
        return self.clock() - min(self._answered_at.values(), default=self._met_at)

    def lag_s(self) -> float:
        """Age in seconds of the oldest record that is not stored.

        Kafka's time tells it of a record in hand; of one that was not fetched yet, it is known
        only for how long the worker has been behind.
        """
        now, wall = self.clock(), self.wall()
        ages = [now - since for since in list(self._behind_since.values())]
        ages += [wall - p.oldest_at for p in self.by_partition.values() if p.oldest_at is not None]
        return max([0.0, *ages])

    def _read(self, consumer: Any, assignment: Any) -> None:
        now, offset_of_clocks = self.clock(), self.wall() - self.clock()
        places = consumer.places()
        found: dict[Any, Partition] = {}
        for tp in assignment.tps if assignment is not None else ():
            state = assignment.state_value(tp)
            if state is None:
                continue
            if state.timestamp is not None:
                fetched_at = state.timestamp / 1000.0 - offset_of_clocks
                self._answered_at[tp] = max(self._answered_at[tp], min(now, fetched_at))
            stored, oldest_at = places.get(tp, (None, None))
            if stored is None and state.has_valid_position:
                stored = state.position
            ends = [end for end in (state.highwater, self._ends.get(tp)) if end is not None]
            found[tp] = partition = Partition(stored, max(ends, default=None), oldest_at)
            if partition.lag and oldest_at is None:
                self._behind_since.setdefault(tp, now)
            else:
                self._behind_since.pop(tp, None)
        self.by_partition = found

    def _ask(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        now = self.clock()
        if now - self._asked_at < ASK_AFTER_S:
            return
        silent = [tp for tp, at in self._answered_at.items() if now - at > ASK_AFTER_S]
        if self._answered_at and not silent:
            return
        self._asked_at = now
        question = inner.end_offsets(silent) if silent else inner._client.fetch_all_metadata()
        answer = asyncio.run_coroutine_threadsafe(question, loop)
        try:
            ends = answer.result(ANSWER_WITHIN_S)
        except Exception:  # whatever it is, Kafka did not answer; the gauge and the probe say so
            answer.cancel()
            return
        self._met_at = self.clock()
        for tp in silent:
            self._ends[tp] = ends[tp]
            self._answered_at[tp] = self.clock()

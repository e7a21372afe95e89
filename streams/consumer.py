"""Faust's Kafka consumer, made to commit only what was handled, and to hand over whole batches.

Stock faust-streaming 0.15.3 commits past events that were never acknowledged: it compares acked
offsets with the committed one as if that were the last read rather than the next to read, so that
with 31 committed and 32, 33 acked it commits 34, over the unacked 31; and a group without a
committed offset skips any hole at its head (faust issue 606), and what it fetched in a rebalance.
Here the order of delivery is kept instead: a partition's offset moves to just before the first
delivered item that is not acked.

Stock Faust also makes four tasks a message. Here the records fetched from one partition travel as
one item, whose acknowledgement covers them all: docs/decisions/0002 has the measurements.
"""

import asyncio
import types
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import (
    READ_UNCOMMITTED,
    Fetcher,
    FetchResult,
    OffsetResetStrategy,
    PartitionRecords,
)
from aiokafka.errors import CorruptRecordException
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from faust.types.tuples import ack_lock
from mode.services import WaitResults
from mode.utils.futures import notify

from streams.records import Record

__all__ = ["SCHEME", "DeliveryGap", "LosslessConsumer"]

SCHEME = "lossless"
BUFFERS_FULL_WAIT_S = 0.05  # stock waits a second for streams to catch up
PARTIAL_FETCH_WAIT_MS, IDLE_FETCH_WAIT_MS = 250, 500
FETCH_PAUSE_S = 0.005  # each fetch names all partitions: dear where it brings one record


class DeliveryGap(RuntimeError):
    """Records that were fetched never reached the stream; the process must start over."""


class LosslessConsumer(driver.Consumer):
    """Hands over a partition's fetched records as one item, and commits in the order of delivery.

    An item's ``value`` is the list of its :class:`Record`, its ``offset`` that of the last one.

    Attributes
    ----------
    delivered
        By partition, the items handed to the stream and not yet handled, in order.
    """

    def _new_consumer_thread(self) -> Any:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.delivered: dict[TP, deque[Any]] = defaultdict(deque)
        self._handled: dict[TP, int] = {}  # the offset that may be committed
        self._fetched: dict[TP, int] = {}  # the offset after the last one fetched
        self._expected: dict[TP, int] = {}  # the first offset that is not handed over
        super().__init__(*args, **kwargs)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch, and hand over each partition's records as one item."""
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        batches = [(tp, batch) for tp, batch in fetched.items() if batch]
        continued = {
            tp: self.note_fetch(tp, batch[0].offset, batch[-1].offset) for tp, batch in batches
        }
        if not self.flow_active:  # a rebalance: what was fetched comes again after the seek
            try:
                await self.perform_seek()
            except Exception as error:  # a seek that failed shows as a gap at the next fetch
                self.log.warning("could not seek back during a rebalance: %s", error)
            return
        for tp, batch in batches:
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                item = _as_item(tp, batch, generation)
                self.note_delivery(tp, batch[0].offset, item, continued[tp])
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, item

    async def _wait_next_records(self, timeout: float) -> Any:
        if self.flow_active and not self.app.client_only and not self._get_active_partitions():
            await asyncio.sleep(BUFFERS_FULL_WAIT_S)
            return {}, self._get_active_partitions()
        if self._buffered_partitions:  # asked for again as soon as there is room for them
            timeout = BUFFERS_FULL_WAIT_S
        return await super()._wait_next_records(timeout)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:
        """Hand an item over at once where nothing has to be waited for: stock makes four tasks."""
        if len(coros) == 2 and timeout is None and asyncio.iscoroutine(coros[0]):
            handing_over, interrupted = coros
            try:
                waited_for = handing_over.send(None)
            except StopIteration as done:
                interrupted.close()
                return WaitResults([handing_over], [done.value], False)
            except BaseException:
                interrupted.close()
                raise
            return await super().wait_first(_go_on(handing_over, waited_for), interrupted)
        return await super().wait_first(*coros, timeout=timeout)

    def note_fetch(self, tp: TP, first: int, last: int) -> bool:
        """Remember what was fetched; returns whether it follows on all that was handed over.

        Offsets that the log itself lacks (transaction markers, compaction) are no gap: they were
        never fetched. The first records of an assignment are expected as soon as they are fetched.
        """
        fetched, expected = self._fetched.get(tp), self._expected.setdefault(tp, first)
        self._fetched[tp] = last + 1
        return fetched is None or first <= expected or fetched == expected

    def note_delivery(self, tp: TP, first: int, item: Any, continued: bool) -> None:
        """Put an item in line for its acknowledgement, before it leaves for the stream.

        Raises
        ------
        DeliveryGap
            If records before it were fetched but not handed over.
        """
        if not continued:
            raise DeliveryGap(
                f"{tp.topic}/{tp.partition}: records from offset {self._expected[tp]} on were "
                f"fetched but not handed over before offset {first}"
            )
        with ack_lock:
            waiting = self.delivered[tp]
            while waiting and waiting[-1].offset >= first:  # after a seek back these come again
                waiting.pop()
            if self._handled.get(tp, first) > first:
                del self._handled[tp]
            waiting.append(item)
        if first < self._expected.get(tp, first):
            self._forget_places(tp)
        self._expected[tp] = item.offset + 1

    def _forget_places(self, tp: TP) -> None:
        """Offsets went back: after a seek, or because the topic was made anew or cut.

        Stock would drop what lies before the last offset read, and never commit before the last
        committed one: a topic made anew would seem handled up to where the old one ended.
        """
        self._read_offset[tp] = None
        self._committed_offset[tp] = None

    def ack(self, message: Any) -> bool:
        """Mark an item as handled; what may be committed is decided in :meth:`_new_offset`."""
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            if self.app.topics.acks_enabled_for(message.topic):
                self._unacked_messages.discard(message)
                self._n_acked += 1
            notify(self._waiting_for_ack)
            return True

    def _new_offset(self, tp: TP) -> int | None:
        with ack_lock:
            waiting = self.delivered[tp]
            while waiting and waiting[0].acked:
                self._handled[tp] = waiting.popleft().offset + 1
            return self._handled.get(tp)

    def places(self) -> dict[TP, tuple[int, float | None]]:
        """By partition, the first offset that is not handled, for a look from another thread.

        With it Kafka's time of that record, in seconds since 1970; None if it was not fetched yet.
        """
        with ack_lock:
            places: dict[TP, tuple[int, float | None]]
            places = {tp: (expected, None) for tp, expected in list(self._expected.items())}
            for tp, waiting in self.delivered.items():
                item = next((item for item in waiting if not item.acked), None)
                if item is not None:
                    places[tp] = item.value[0].offset, item.value[0].timestamp
            return places

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        return iter([tp for tp in self.delivered if topics is None or {tp, tp.topic} & set(topics)])

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets the log lacks need no bookkeeping: nobody waits for their acknowledgement."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget partitions that may go to another worker."""
        await super().on_partitions_revoked(revoked)
        self._forget(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Forget those of others: a fetch from before may have been noted after they went."""
        self._forget({*self.delivered, *self._fetched} - assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    def _forget(self, partitions: set[TP]) -> None:
        with ack_lock:
            for tp in partitions:
                self.delivered.pop(tp, None)
                self._handled.pop(tp, None)
                self._fetched.pop(tp, None)
                self._expected.pop(tp, None)


@types.coroutine
def _resume(begun: Any, waited_for: Any) -> Any:
    """The rest of a coroutine that was begun by hand and waits for a future."""
    while True:
        try:
            answer = yield waited_for
        except BaseException as error:
            step = partial(begun.throw, error)
        else:
            step = partial(begun.send, answer)
        try:
            waited_for = step()
        except StopIteration as done:
            return done.value


async def _go_on(begun: Any, waited_for: Any) -> Any:
    return await _resume(begun, waited_for)


def _as_item(tp: TP, batch: list[Record], generation: int) -> Any:
    last = batch[-1]
    return ConsumerMessage(
        topic=tp.topic,
        partition=tp.partition,
        offset=last.offset,
        timestamp=last.timestamp,
        timestamp_type=0,
        headers=None,
        key=None,
        value=batch,  # type: ignore[arg-type]
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        tp=tp,
        generation_id=generation,
    )


class LeanRecords(PartitionRecords):  # type: ignore[misc]
    """Fetched records as the store takes them, made once and a batch of Kafka's at a time.

    aiokafka's own hold what nobody reads, and take three calls of Python each. Whoever stops in the
    midst goes on from there; ``next_fetch_offset`` is where that is, as aiokafka wants it.
    """

    _batch: Iterator[Record]

    def begin(self) -> None:
        """To be called once, before anything is taken."""
        self._batch, self._batch_end = iter(()), self.next_fetch_offset

    def __iter__(self) -> Iterator[Record]:
        while True:
            for record in self._batch:
                self.next_fetch_offset = record.offset + 1
                yield record
            self.next_fetch_offset = self._batch_end  # may lie beyond a batch's last record
            if not self._records.has_next():
                return
            self._batch = iter(self._next_batch())

    def __next__(self) -> Record:
        return next(iter(self))

    def _next_batch(self) -> list[Record]:
        batch, begin = self._records.next_batch(), self.next_fetch_offset
        if self._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        self._batch_end = batch.next_offset
        if batch.is_control_batch:
            return []
        topic, partition, new = self._tp.topic, self._tp.partition, tuple.__new__
        return [
            new(Record, (topic, partition, r.offset, r.timestamp / 1000.0, r.key, r.value))
            for r in batch
            if r.offset
            >= begin  # a batch is fetched whole, and may begin before what was asked for
        ]


class PromptFetcher(Fetcher):  # type: ignore[misc]
    """Fetches that do not wait for idle partitions while others have records waiting.

    One fetch at a time is under way to a broker. While records of busy partitions are still to be
    handed over it asks for the others alone, and if those are idle it comes back only after the
    longest wait, 1.5 s in Faust; the busy ones are not asked for until then.

    Attributes
    ----------
    answered_at
        By broker, when it answered last, by the loop's clock: it is not asked again at once.
    """

    answered_at: dict[int, float]

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> Any:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(self.answered_at.get(node_id, 0.0) + FETCH_PAUSE_S - loop.time())
        except asyncio.CancelledError:  # as aiokafka's own: raised, it would end the thread that
            return False  # closes the fetcher, and the worker would wait for that thread for ever
        try:
            return await super()._proc_fetch_request(assignment, node_id, request)
        finally:
            self.answered_at[node_id] = loop.time()
            for result in self._records.values():
                if isinstance(result, FetchResult) and result.has_more():
                    records = result._partition_records
                    if type(records) is PartitionRecords:
                        records.__class__ = LeanRecords
                        records.begin()

    @property
    def _fetch_max_wait_ms(self) -> int:
        return PARTIAL_FETCH_WAIT_MS if self._records else IDLE_FETCH_WAIT_MS

    @_fetch_max_wait_ms.setter
    def _fetch_max_wait_ms(self, _: int) -> None:
        """What the constructor was given is not heeded."""


async def seek_to_committed(consumer: Any) -> dict[Any, int | None]:
    """Go back to what is committed, and to the first record where nothing is.

    Faust does so after each rebalance, since what was fetched before its streams ran again was
    dropped. aiokafka leaves a partition without a committed offset, or with 0, where it is: what
    was dropped would be skipped for good.
    """
    committed: dict[Any, int | None] = await consumer.seek_to_committed()
    here = consumer.assignment()  # another rebalance may have begun: it is followed by a seek too
    first = [tp for tp, offset in committed.items() if not offset and tp in here]
    if first:
        consumer._fetcher.request_offset_reset(first, OffsetResetStrategy.EARLIEST)
    return committed


class PromptThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with :class:`PromptFetcher`, and seeks that leave nothing out."""

    async def on_start(self) -> None:
        """Start the consumer, and change its fetcher before anything is assigned to it."""
        await super().on_start()
        fetcher = self._ensure_consumer()._fetcher
        if fetcher._isolation_level != READ_UNCOMMITTED:
            raise ValueError("a consumer of committed transactions only; LeanRecords reads all")
        fetcher.answered_at = {}
        fetcher.__class__ = PromptFetcher

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's look at whether records move, of partitions that are somewhere.

        A partition that was just assigned is nowhere until Kafka has said where the group is; on a
        busy machine that takes longer than Faust waits before it looks, which ended the worker.
        """
        subscription = self._ensure_consumer()._fetcher._subscriptions.subscription
        state = subscription.assignment.state_value(TopicPartition(tp.topic, tp.partition))
        if state is not None and state.has_valid_position:
            super().verify_event_path(now, tp)

    async def seek_to_committed(self) -> Any:
        """Where each partition goes on, by what Kafka holds for the group."""
        return await self.call_thread(seek_to_committed, self._ensure_consumer())


class LosslessTransport(driver.Transport):
    """Faust's aiokafka transport with :class:`LosslessConsumer`."""

    Consumer = LosslessConsumer


TRANSPORTS.aliases[SCHEME] = f"{__name__}:LosslessTransport"

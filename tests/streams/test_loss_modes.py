"""Every way in which Faust 0.15.3 loses events, beside the shape of ours that does not.

Each test of stock Faust shows that it still loses: where one fails, Faust was mended, and what we
do in its place can go.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from faust import Event
from faust.transport.conductor import ConductorCompiler
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from kafka import KafkaProducer

from bizops.settings import Settings
from bizops.topics import ensure_topics
from streams.consumer import LosslessConsumer, seek_to_committed

PARTITION = TP("touches", 0)


class Ended(Exception):
    """What a handler raises."""


def message(offset: int, value: bytes = b"1") -> Any:
    return ConsumerMessage(
        "touches", 0, offset, 0.0, 0, None, None, value, None, 0, 1, PARTITION, generation_id=1
    )


class Consumer:
    """Notes what is acknowledged."""

    def __init__(self) -> None:
        self.acked: list[int] = []
        self._unacked_messages: set[Any] = set()
        self._n_acked = 0
        self._waiting_for_ack = None
        self._committed_offset: dict[TP, int | None] = defaultdict(lambda: None)
        self._acked_index: dict[TP, set[int]] = defaultdict(set)
        self._acked: dict[TP, list[int]] = defaultdict(list)

    def track_message(self, tracked: Any) -> None: ...

    def ack(self, acked: Any) -> bool:
        acked.acked = True
        self.acked.append(acked.offset)
        return True


@pytest.fixture
def app(tmp_path: Path) -> Any:
    app = faust.App("test", broker="kafka://127.0.0.1:1", datadir=str(tmp_path))
    app.consumer = Consumer()
    app.consumer_generation_id = 1
    app.topics.acking_topics.add("touches")
    app.flow_control.resume()
    return app


async def stream_of(app: Any, count: int) -> tuple[Any, list[Any]]:
    channel = app.channel(maxsize=100)
    messages = [message(offset) for offset in range(count)]
    stream = app.stream(channel, concurrency_index=0)
    for one in messages:
        one.incref()
        await stream.channel.queue.put(Event(app, None, one.value, None, one))
    await stream.maybe_start()
    return stream, messages


async def taken_and_failed(batches: Any) -> list[int]:
    """Take one batch, fail in handling it, and say which offsets were in it."""
    batch = await anext(batches)
    with pytest.raises(Ended):
        await batches.athrow(Ended())
    return [getattr(one, "message", SimpleNamespace(offset=-1)).offset for one in batch]


def test_take_acknowledges_a_batch_whose_handling_failed(app: Any) -> None:
    async def run() -> None:
        stream, messages = await stream_of(app, 3)
        await taken_and_failed(stream.take(3, within=5))
        assert all(one.acked for one in messages), "mended: stock take() waits for success"

    asyncio.run(run())


def test_a_plain_loop_acknowledges_the_event_whose_handling_failed(app: Any) -> None:
    async def run() -> None:
        stream, messages = await stream_of(app, 2)
        events = aiter(stream)
        await anext(events)
        with pytest.raises(Ended):
            await events.athrow(Ended())
        assert messages[0].acked, "mended: stock keeps an event whose handling failed"

    asyncio.run(run())


def test_what_is_skipped_in_a_rebalance_is_not_acknowledged(app: Any) -> None:
    """Our consumer relies on it: an item of an earlier generation is dropped, and nobody handled
    it. Faust's loop in plain Python does acknowledge it, so the compiled one is needed."""

    async def run() -> None:
        stream, messages = await stream_of(app, 1)
        app.consumer_generation_id = 2
        waiting = asyncio.ensure_future(anext(aiter(stream)))
        await asyncio.sleep(0.2)
        waiting.cancel()
        assert stream.channel.queue.empty()
        assert not messages[0].acked

    asyncio.run(run())


def test_noack_take_acknowledges_nothing_but_goes_on_after_a_failure(app: Any) -> None:
    """So an agent that Faust restarts loses the batch until the next rebalance; ours ends."""

    async def run() -> None:
        stream, messages = await stream_of(app, 4)
        failed = await taken_and_failed(stream.noack_take(2, within=5))
        assert failed == [0, 1]
        assert not any(one.acked for one in messages)
        restarted = stream.noack_take(2, within=5)
        batch = await anext(restarted)
        offsets = [one.message.offset for one in batch]
        assert not {0, 1} & set(offsets), "mended: stock hands a failed batch over again"
        await restarted.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(("serializer", "lost"), [("json", True), ("raw", False)])
def test_a_value_that_cannot_be_decoded_is_acknowledged_before_any_handler(
    app: Any, serializer: str, lost: bool
) -> None:
    """Raw bytes, as ours, cannot fail to decode."""

    async def run() -> None:
        app.producer = SimpleNamespace(buffer=SimpleNamespace(wait_until_ebb=_nothing))
        app.consumer.on_buffer_full = app.consumer.on_buffer_drop = lambda tp: None
        topic = app.topic("touches", key_serializer="raw", value_serializer=serializer)
        seen = []

        async def failed(error: Exception, bad: Any) -> None:
            seen.append(error)

        topic.on_value_decode_error = failed
        deliver = ConductorCompiler().build(SimpleNamespace(app=app), PARTITION, {topic})
        bad = message(7, b"{")
        await deliver(bad)
        assert bad.acked is lost
        assert len(seen) == int(lost)
        assert topic.queue.qsize() == int(not lost)

    asyncio.run(run())


@pytest.fixture
def bookkeeping(tmp_path: Path) -> Iterator[Callable[[type[Any]], Any]]:
    """A consumer that has no broker: only what it would commit is looked at."""
    loops = []

    def make(kind: type[Any]) -> Any:
        loops.append(asyncio.new_event_loop())
        app = faust.App("test", broker="kafka://127.0.0.1:1", datadir=str(tmp_path), loop=loops[0])
        app.topics = SimpleNamespace(acks_enabled_for=lambda topic: True)
        app.consumer_generation_id = 1
        app.flow_control.resume()
        callbacks = ("callback", "on_partitions_revoked", "on_partitions_assigned")
        consumer = kind(app.transport, loop=loops[0], **dict.fromkeys(callbacks, _nothing))
        loops.append(consumer._thread.thread_loop)
        return consumer

    yield make
    for loop in loops:
        loop.close()


COMMITTED_OVER = [
    pytest.param(31, [31, 32, 33], [32, 33], 34, id="off by one: 31 committed, 32 and 33 acked"),
    pytest.param(None, range(12), [10, 11], 12, id="a hole at the head of a fresh group"),
    pytest.param(0, range(12), [10, 11], 12, id="a hole at the head, with 0 committed"),
    pytest.param(None, range(6), [3, 4, 5], 6, id="concurrency: the other half's agent failed"),
]


@pytest.mark.parametrize(("committed", "delivered", "acked", "over"), COMMITTED_OVER)
def test_stock_commits_over_what_was_not_acknowledged_and_ours_does_not(
    bookkeeping: Any, committed: int | None, delivered: Any, acked: list[int], over: int
) -> None:
    for kind, expected in ((driver.Consumer, over), (LosslessConsumer, None)):
        consumer = bookkeeping(kind)
        consumer._committed_offset[PARTITION] = committed
        messages = {offset: message(offset) for offset in delivered}
        if kind is LosslessConsumer:
            for offset, one in messages.items():
                continued = consumer.note_fetch(PARTITION, offset, offset)
                consumer.note_delivery(PARTITION, offset, one, continued)
        for offset in acked:
            consumer.ack(messages[offset])
        assert consumer._new_offset(PARTITION) == expected, kind


def test_stock_skips_what_a_fresh_group_fetched_in_a_rebalance_and_ours_goes_back(
    settings: Settings,
) -> None:
    """Faust drops it and seeks to what is committed: aiokafka does not, where nothing is."""
    kafka = settings.kafka
    assert kafka
    (topic,) = ensure_topics(settings, kafka, ["spend"])
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        for number in range(5):
            producer.send(topic, b"%d" % number)
        producer.flush()

    async def read_again(seek: Callable[[Any], Any]) -> list[bytes]:
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=kafka,
            group_id=f"{topic}-{seek.__qualname__}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            dropped = [record.value for record in await _some(consumer, 10.0)]
            assert dropped == [b"0", b"1", b"2", b"3", b"4"]
            await seek(consumer)
            return [record.value for record in await _some(consumer, 2.0)]
        finally:
            await consumer.stop()

    assert asyncio.run(read_again(AIOKafkaConsumer.seek_to_committed)) == []
    assert asyncio.run(read_again(seek_to_committed)) == [b"0", b"1", b"2", b"3", b"4"]


async def _some(consumer: Any, seconds: float) -> list[Any]:
    fetched = await consumer.getmany(timeout_ms=int(seconds * 1000))
    return [record for records in fetched.values() for record in records]


async def _nothing(*_: Any, **__: Any) -> None: ...

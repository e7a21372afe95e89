"""The consumer commits only what was handled; each case here lost events in stock Faust."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.consumer import DeliveryGap, LosslessConsumer

PARTITION = TP("touches", 0)


@dataclass(eq=False)
class Item:
    offset: int
    acked: bool = False
    tp: TP = PARTITION
    topic: str = PARTITION.topic


@pytest.fixture
def make_consumer(tmp_path: Path) -> Iterator[Callable[[type[Any]], Any]]:
    """Make a consumer that has no broker: only its bookkeeping is exercised."""
    loops = []

    def make(kind: type[Any]) -> Any:
        loops.append(asyncio.new_event_loop())
        app = faust.App("test", broker="kafka://127.0.0.1:1", datadir=str(tmp_path), loop=loops[0])
        app.topics = SimpleNamespace(acks_enabled_for=lambda topic: True)
        callbacks = ("callback", "on_partitions_revoked", "on_partitions_assigned")
        consumer = kind(app.transport, loop=loops[0], **dict.fromkeys(callbacks, nothing))
        loops.append(consumer._thread.thread_loop)
        return consumer

    yield make
    for loop in loops:
        loop.close()


async def nothing(*_: Any) -> None: ...


@pytest.fixture
def consumer(make_consumer: Callable[[type[Any]], Any]) -> Any:
    return make_consumer(LosslessConsumer)


def deliver(consumer: Any, *offsets: int) -> list[Item]:
    items = [Item(offset) for offset in offsets]
    for item in items:
        continued = consumer.note_fetch(PARTITION, item.offset, item.offset)
        consumer.note_delivery(PARTITION, item.offset, item, continued)
    return items


def test_does_not_commit_over_the_unacked_message_after_the_committed_one(consumer: Any) -> None:
    consumer._committed_offset[PARTITION] = 31
    _, *acked = deliver(consumer, 31, 32, 33)
    for item in acked:
        consumer.ack(item)
    assert consumer._new_offset(PARTITION) is None


@pytest.mark.parametrize("committed", [None, 0])
def test_a_fresh_group_does_not_skip_a_hole_at_its_head(
    consumer: Any, committed: int | None
) -> None:
    consumer._committed_offset[PARTITION] = committed
    items = deliver(consumer, *range(12))
    for item in items[10:]:
        consumer.ack(item)
    assert consumer._new_offset(PARTITION) is None


def test_commits_up_to_the_first_unacked_item_and_goes_on_when_it_is_acked(consumer: Any) -> None:
    first, second, third = deliver(consumer, 5, 6, 7)
    consumer.ack(first)
    consumer.ack(third)
    assert consumer._new_offset(PARTITION) == 6
    consumer.ack(second)
    assert consumer._new_offset(PARTITION) == 8


def test_the_only_message_is_committed(consumer: Any) -> None:
    consumer._committed_offset[PARTITION] = 31
    (item,) = deliver(consumer, 31)
    consumer.ack(item)
    assert consumer._new_offset(PARTITION) == 32


def test_after_a_seek_back_only_the_new_delivery_counts(consumer: Any) -> None:
    old = deliver(consumer, 5, 6, 7)
    consumer.ack(old[0])
    new = deliver(consumer, 5, 6, 7)
    for item in old[1:]:
        consumer.ack(item)
    assert consumer._new_offset(PARTITION) is None
    for item in new:
        consumer.ack(item)
    assert consumer._new_offset(PARTITION) == 8


def test_a_topic_made_anew_is_read_and_committed_from_its_start(consumer: Any) -> None:
    old = deliver(consumer, *range(995, 1000))
    for item in old:
        consumer.ack(item)
    consumer._read_offset[PARTITION] = 999
    consumer._committed_offset[PARTITION] = consumer._new_offset(PARTITION)
    (item,) = deliver(consumer, 0)
    read = consumer._read_offset[PARTITION]
    assert read is None or item.offset >= read, "stock's loop would drop it"
    consumer.ack(item)
    assert consumer._filter_committable_offsets([PARTITION]) == {PARTITION: 1}


def test_after_a_rebalance_only_the_new_generation_counts(consumer: Any) -> None:
    """A batch that was in the database when its partition went away is acknowledged late."""

    async def not_waited_for(*_: Any) -> None: ...

    late = deliver(consumer, 5, 6)
    consumer._on_partitions_revoked = not_waited_for
    asyncio.run(consumer.on_partitions_revoked({PARTITION}))
    for item in late:
        consumer.ack(item)
    assert consumer._new_offset(PARTITION) is None
    (again,) = deliver(consumer, 5)
    assert consumer._new_offset(PARTITION) is None
    consumer.ack(again)
    assert consumer._new_offset(PARTITION) == 6


def test_offsets_the_log_lacks_are_no_gap(consumer: Any) -> None:
    items = deliver(consumer, 5, 9, 10)
    for item in items:
        consumer.ack(item)
    assert consumer._new_offset(PARTITION) == 11


def test_records_fetched_and_not_handed_over_end_the_process(consumer: Any) -> None:
    deliver(consumer, 5)
    consumer.note_fetch(PARTITION, 6, 8)  # dropped on its way
    continued = consumer.note_fetch(PARTITION, 9, 9)
    with pytest.raises(DeliveryGap, match="offset 6"):
        consumer.note_delivery(PARTITION, 9, Item(9), continued)


def test_records_dropped_before_any_was_handed_over_end_the_process(consumer: Any) -> None:
    """The first fetch of an assignment falls into the rebalance, and nothing goes back to it."""
    consumer.note_fetch(PARTITION, 0, 8)
    continued = consumer.note_fetch(PARTITION, 9, 9)
    with pytest.raises(DeliveryGap, match="offset 0"):
        consumer.note_delivery(PARTITION, 9, Item(9), continued)


def test_records_dropped_and_fetched_again_are_no_gap(consumer: Any) -> None:
    consumer.note_fetch(PARTITION, 5, 8)
    deliver(consumer, 5, 9)


def test_a_partition_that_was_with_another_worker_may_go_on_anywhere(consumer: Any) -> None:
    """A fetch from before the rebalance can be noted after the partition went."""

    async def not_waited_for(*_: Any) -> None: ...

    consumer._on_partitions_revoked = consumer._on_partitions_assigned = not_waited_for
    consumer.app.on_rebalance_return = lambda: None
    deliver(consumer, 5)

    async def away_and_back() -> None:
        await consumer.on_partitions_revoked({PARTITION})
        consumer.note_fetch(PARTITION, 6, 8)
        await consumer.on_partitions_assigned({TP("touches", 1)})
        await consumer.on_partitions_revoked({TP("touches", 1)})
        await consumer.on_partitions_assigned({PARTITION})

    asyncio.run(away_and_back())
    deliver(consumer, 2_000)


def test_acknowledging_twice_is_once(consumer: Any) -> None:
    (item,) = deliver(consumer, 5)
    assert consumer.ack(item)
    assert not consumer.ack(item)


def handed_over(consumer: Any, handing_over: Any, suspended: asyncio.Event) -> Any:
    async def hand_over() -> Any:
        return await consumer.wait_first(handing_over, suspended.wait())

    return consumer.loop.run_until_complete(hand_over())


def test_an_item_for_which_there_is_room_is_handed_over_without_a_task(consumer: Any) -> None:
    tasks = []

    async def put() -> str:
        tasks.extend(asyncio.all_tasks())
        return "put"

    assert handed_over(consumer, put(), asyncio.Event()).results == ["put"]
    assert len(tasks) == 1


def test_an_item_that_has_to_wait_is_handed_over_when_it_can_be(consumer: Any) -> None:
    async def put() -> str:
        for _ in range(3):
            await asyncio.sleep(0.001)
        return "put"

    assert handed_over(consumer, put(), asyncio.Event()).results == ["put"]


def test_an_item_that_has_to_wait_does_not_hold_up_a_rebalance(consumer: Any) -> None:
    ended = []

    async def put() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    suspended = asyncio.Event()
    suspended.set()
    assert handed_over(consumer, put(), suspended).results == [True]
    assert ended


@pytest.mark.parametrize("pause_s", [0, 0.001])
def test_what_goes_wrong_as_an_item_is_handed_over_is_raised(consumer: Any, pause_s: float) -> None:
    async def put() -> None:
        if pause_s:
            await asyncio.sleep(pause_s)
        raise ValueError("the stream is broken")

    with pytest.raises(ValueError, match="broken"):
        handed_over(consumer, put(), asyncio.Event())


@pytest.mark.parametrize(("buffered", "longest"), [(set(), 1.0), ({PARTITION}, 0.1)])
def test_a_fetch_does_not_wait_for_idle_partitions_while_others_have_records(
    consumer: Any, buffered: set[TP], longest: float
) -> None:
    """Stock asks for those that had room as it began, and waits a second for a record of theirs."""
    asked = []

    async def getmany(active_partitions: set[TP], timeout: float) -> dict[TP, list[Any]]:
        asked.append(timeout)
        return {}

    consumer._getmany = getmany
    consumer._active_partitions = {TP("touches", 1)}
    consumer._buffered_partitions = buffered
    asyncio.run(consumer._wait_next_records(1.0))
    assert asked
    assert asked[0] <= longest


def test_a_partition_without_a_position_yet_does_not_end_the_worker(
    make_consumer: Callable[[type[Any]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust looks whether records move; one just assigned is nowhere until Kafka has answered."""
    thread, place = make_consumer(LosslessConsumer)._thread, TopicPartition(*PARTITION)

    async def assigned() -> SubscriptionState:
        subscriptions = SubscriptionState()
        subscriptions.subscribe(topics={PARTITION.topic})
        subscriptions.assign_from_subscribed([place])
        return subscriptions

    subscriptions = asyncio.run(assigned())
    thread._consumer = SimpleNamespace(_fetcher=SimpleNamespace(_subscriptions=subscriptions))
    looked_at = []
    monkeypatch.setattr(
        driver.AIOKafkaConsumerThread, "verify_event_path", lambda *of: looked_at.append(of[2])
    )
    thread.verify_event_path(0.0, PARTITION)
    thread.verify_event_path(0.0, TP("touches", 7))  # another worker's by now
    assert looked_at == []
    subscriptions.subscription.assignment.state_value(place).seek(5)
    thread.verify_event_path(0.0, PARTITION)
    assert looked_at == [PARTITION]

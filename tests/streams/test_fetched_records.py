"""Records taken a batch at a time are those that aiokafka takes one by one."""

import asyncio
import contextlib
import itertools
import struct
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from bizops.endpoints import Endpoints
from bizops.settings import Settings
from streams import consumer as consumers
from streams.consumer import LeanRecords, PromptFetcher

PLACE = TopicPartition("touches", 3)
CONTROL = 0x20


def batch(first: int, count: int, *, compressed: bool = False, control: bool = False) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 3 if compressed else 0, 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        key = None if number % 3 == 0 else b"k%d" % number
        builder.append(number, 1_700_000_000_000 + number, key, b"value %d" % (first + number), [])
    built = bytearray(builder.build())
    struct.pack_into(">q", built, 0, first)
    if control:  # the checksum is of what follows it, so that it has to be made anew
        struct.pack_into(">h", built, 21, struct.unpack_from(">h", built, 21)[0] | CONTROL)
    return bytes(built)


def records(kind: type[Any], data: bytes, offset: int, *, check_crcs: bool = True) -> Any:
    made = PartitionRecords(PLACE, MemoryRecords(data), [], offset, None, None, check_crcs, 0)
    if kind is LeanRecords:
        made.__class__ = LeanRecords
        made.begin()
    return made


def taken(of: Any, most: int) -> list[tuple[Any, ...]]:
    """As ``FetchResult.getall`` takes them: it stops right after the last it wants."""
    found = []
    seconds = 1.0 if isinstance(of, LeanRecords) else 1000.0
    for record in of:
        at = record.timestamp / seconds
        found.append((record.topic, record.partition, record.offset, at, record.key, record.value))
        if len(found) >= most:
            break
    return found


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("offset", [0, 4, 10])
@pytest.mark.parametrize("most", [1, 3, 7, 100])
def test_they_are_those_that_aiokafka_takes(offset: int, most: int, compressed: bool) -> None:
    data = batch(0, 10, compressed=compressed) + batch(10, 5) + batch(40, 6)
    stock, lean = (records(kind, data, offset) for kind in (PartitionRecords, LeanRecords))
    for _ in itertools.count():
        expected = taken(stock, most)
        assert taken(lean, most) == expected
        assert lean.next_fetch_offset == stock.next_fetch_offset
        if len(expected) < most:  # there are no more
            break
    assert lean.next_fetch_offset == 46


def test_marks_of_transactions_are_passed_over() -> None:
    data = batch(0, 3) + batch(3, 1, control=True) + batch(4, 2) + batch(6, 1, control=True)
    lean = records(LeanRecords, data, 0, check_crcs=False)
    assert [record.offset for record in lean] == [0, 1, 2, 4, 5]
    assert lean.next_fetch_offset == 7


def test_a_batch_that_is_damaged_is_an_error_and_is_asked_for_again() -> None:
    good, bad = batch(0, 3), bytearray(batch(3, 3))
    bad[-1] ^= 0xFF
    lean = records(LeanRecords, good + bytes(bad), 0)
    assert [record.offset for record in itertools.islice(lean, 3)] == [0, 1, 2]
    with pytest.raises(CorruptRecordException, match="touches"):
        next(lean)
    assert lean.next_fetch_offset == 3


def test_a_fetcher_is_closed_while_a_fetch_is_paused(
    services: Endpoints, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = TopicPartition(settings.topic("touches"), 0)
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=services.kafka)) as admin:
        admin.create_topics([NewTopic(place.topic, 1, 1)])

    async def run() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=services.kafka)
        await consumer.start()
        fetcher = consumer._fetcher
        fetcher.answered_at = dict.fromkeys(range(10), asyncio.get_running_loop().time())
        fetcher.__class__ = PromptFetcher
        consumer.assign([place])
        consumer.seek(place, 0)
        while not fetcher._pending_tasks:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # it has begun, and is paused
        await consumer.stop()

    monkeypatch.setattr(consumers, "FETCH_PAUSE_S", 600.0)
    asyncio.run(asyncio.wait_for(run(), 30))

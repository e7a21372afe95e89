"""Batches taken from a stream: at once, in order, none left out."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from streams.taking import take_ready


class Stream:
    """Stands in for Faust's: items of so many records from a queue; None ends it."""

    def __init__(self, *sizes: int) -> None:
        self.enable_acks = True
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        for size in sizes:
            self.put(size)

    def put(self, size: int) -> None:
        self.queue.put_nowait(SimpleNamespace(value=[0] * size))

    async def events(self) -> AsyncIterator[Any]:
        while (item := await self.queue.get()) is not None:
            yield item


def sizes_of(items: list[Any]) -> list[int]:
    return [len(item.value) for item in items]


def test_what_is_there_is_one_batch_until_it_is_large_enough() -> None:
    async def run() -> list[list[int]]:
        stream = Stream(3, 4, 5, 6, 7)
        stream.queue.put_nowait(None)
        batches = [sizes_of(items) async for items in take_ready(stream, most_records=10)]
        assert stream.enable_acks is False
        return batches

    assert asyncio.run(run()) == [[3, 4, 5], [6, 7]]


def test_one_item_alone_is_handed_over_without_waiting_for_another() -> None:
    async def run() -> list[list[int]]:
        stream = Stream(1)
        batches = take_ready(stream, most_records=10)
        first = await asyncio.wait_for(anext(batches), 5)
        stream.put(2)
        stream.put(3)
        second = await asyncio.wait_for(anext(batches), 5)
        await batches.aclose()  # type: ignore[attr-defined]
        return [sizes_of(first), sizes_of(second)]

    assert asyncio.run(run()) == [[1], [2, 3]]

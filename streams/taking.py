"""What has arrived, taken from a Faust stream as soon as it is there rather than by the clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

__all__ = ["take_ready"]

QUIET_S = 0.001  # what was fetched together arrives within this


async def take_ready(stream: Any, *, most_records: int) -> AsyncIterator[list[Any]]:
    """Batches of the stream's events, acknowledged by nobody but the caller.

    A batch is what had arrived when the last one was done: one item when little comes, which is
    handed on at once, and up to ``most_records`` records under load. Faust's ``noack_take``
    hands over by a clock instead, which every event has to wait for (docs/decisions/0013).
    """
    stream.enable_acks = False
    source = stream.events()
    upcoming = asyncio.ensure_future(anext(source))
    try:
        while True:
            taken: list[Any] = []
            records = 0
            while records < most_records:
                if taken and not (await asyncio.wait({upcoming}, timeout=QUIET_S))[0]:
                    break
                taken.append(await upcoming)
                records += len(taken[-1].value)
                upcoming = asyncio.ensure_future(anext(source))
            yield taken
    except StopAsyncIteration:
        return
    finally:
        upcoming.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await upcoming

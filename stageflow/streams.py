"""The stream edge: a bounded, closable channel from one producing stage to each of its consumers.

The executor makes it, bounds it and closes it. Every consumer sees every item; a full channel makes the producer
wait; a consumer that is gone is not waited for. When the producer fails, its consumers see the error at their next
item; when it skips or ends, the stream ends.
"""

from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel

from stageflow.errors import StreamError

CAPACITY = 64
"""Items on their way to one consumer: enough that tokens do not ping-pong, little enough to feel back-pressure."""


class Channel:
    """The way from a producer to one consumer."""

    def __init__(self, producer: str, capacity: int = CAPACITY) -> None:
        self.producer = producer
        self._items: deque[Any] = deque()
        self._capacity = capacity
        self._end: BaseException | bool | None = None
        self._read = True
        self._changed = anyio.Event()

    async def put(self, item: Any) -> None:
        """Append, waiting while the consumer is behind; items for a consumer that has left are dropped."""
        while self._read and len(self._items) >= self._capacity:
            await self._wait()
        if self._read:
            self._items.append(item)
            self._wake()

    def fill(self, items: list[Any]) -> None:
        """Put these and close, without waiting: for a stage that is run on its own."""
        self._items.extend(items)
        self.close()

    def close(self, error: BaseException | None = None) -> None:
        """No more items; with `error`, the consumer's next item raises it. The first close stands."""
        if self._end is None:
            self._end = error or True
            self._wake()

    def leave(self) -> None:
        """The consumer is gone."""
        self._read = False
        self._items.clear()
        self._wake()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while not self._items:
            if isinstance(self._end, BaseException):
                raise self._end
            if self._end:
                raise StopAsyncIteration
            await self._wait()
        item = self._items.popleft()
        self._wake()
        return item

    def _wake(self) -> None:
        self._changed.set()

    async def _wait(self) -> None:
        if self._changed.is_set():
            self._changed = anyio.Event()
        await self._changed.wait()


class StreamWriter:
    """What a stage sends into: `await ctx.stream.send(item)`. Without consumers items go nowhere."""

    def __init__(self, stage: str, channels: tuple[Channel, ...] = ()) -> None:
        self._stage = stage
        self._channels = channels
        self._is_open = True

    async def send(self, item: Any) -> None:
        """Give every consumer the item; waits for the slowest. Raises StreamError after the stage has ended."""
        if not self._is_open:
            raise StreamError(f"stage {self._stage!r} sends into its stream after it has ended: send before")
        for channel in self._channels:
            await channel.put(item)
        if not self._channels:
            await anyio.lowlevel.checkpoint()

    def close(self, error: BaseException | None = None) -> None:
        """End the stream; called by the executor."""
        self._is_open = False
        for channel in self._channels:
            channel.close(error)

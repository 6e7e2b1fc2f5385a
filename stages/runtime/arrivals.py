"""The items of an async generator that runs on another event loop, on their way to ours."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Generic, Self, TypeVar

T = TypeVar("T")

AHEAD = 8
"""Items that may come before they are wanted."""


class Arrivals(Generic[T]):
    """What an async generator gives on another loop, item by item. Cancel-safe: nothing is lost, and it can be asked
    again. For one task."""

    def __init__(
        self, there: asyncio.AbstractEventLoop, begin: Callable[[], AsyncGenerator[T, None]]
    ) -> None:
        self._there, self._ours = there, asyncio.get_running_loop()
        self._room = asyncio.Semaphore(AHEAD)
        """Belongs to the other loop."""
        self._came = asyncio.Event()
        self._waiting = deque[T]()
        self._is_left = False
        self._pumped = asyncio.run_coroutine_threadsafe(self.pump(begin), there)
        self._pumped.add_done_callback(lambda _: self._arrived())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        is_over = self._pumped.done()  # and if so, all that it gave has come
        while not self._waiting and not is_over:
            await self._came.wait()
            self._came.clear()
            is_over = self._pumped.done()
        if self._waiting:
            self._there.call_soon_threadsafe(self._room.release)
            return self._waiting.popleft()
        if not self._is_left:
            self._pumped.result()
        raise StopAsyncIteration

    def leave(self) -> None:
        """End it there; from any thread, at any time."""
        self._is_left = True
        self._pumped.cancel()

    # --- there ---------------------------------------------------------------------------------------------

    async def pump(self, begin: Callable[[], AsyncGenerator[T, None]]) -> None:
        """Take what the generator gives."""
        async with aclosing(begin()) as items:
            async for item in items:
                await self._room.acquire()
                if self._is_left:
                    return
                self._waiting.append(item)
                self._arrived()

    def _arrived(self) -> None:
        """Something has come, or the end."""
        with suppress(RuntimeError):  # ours is closed already
            self._ours.call_soon_threadsafe(self._came.set)

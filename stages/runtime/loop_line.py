"""The way to an event loop in another thread: calls, coroutines, contexts and streams of what runs there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from typing import Any, TypeVar

from stages.runtime.arrivals import Arrivals

T = TypeVar("T")


class LoopLine:
    """The way to an event loop from another one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.calls = 0
        """In progress; only then it is of interest whether the loop goes round."""

    def soon(self, call: Callable[..., object], *values: object) -> None:
        """Call it there, after what was asked for before."""
        self._loop.call_soon_threadsafe(call, *values)

    def call(self, call: Callable[..., object], *values: object) -> None:
        """As `soon`, and in progress until it has returned: whoever blocks there is named in the log."""
        self._begin()
        self.soon(self._run, asyncio.get_running_loop(), call, values)

    def _run(
        self, ours: asyncio.AbstractEventLoop, call: Callable[..., object], values: tuple[object, ...]
    ) -> None:
        try:
            call(*values)
        finally:
            with suppress(RuntimeError):  # ours is closed already
                ours.call_soon_threadsafe(self._returned)

    def _returned(self) -> None:
        self.calls -= 1

    async def of(self, made: Coroutine[Any, Any, T]) -> T:
        """What comes of a coroutine there. Cancel-safe: it is cancelled there too, and not waited for."""
        with self._waiting():
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(made, self._loop))

    @asynccontextmanager
    async def held(self, enter: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
        """What a context manager gives there, which one task there enters and leaves. Cancel-safe, as `of` is."""
        ours, over = asyncio.get_running_loop(), asyncio.Event()
        opened: asyncio.Future[T] = ours.create_future()

        async def hold() -> None:
            async with enter() as one:
                ours.call_soon_threadsafe(_give, opened, one)
                await over.wait()

        with self._waiting():
            there = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(hold(), self._loop))
        try:
            with self._waiting():
                await asyncio.wait((opened, there), return_when=asyncio.FIRST_COMPLETED)
                if not opened.done():
                    there.result()  # raises why it was not entered
            yield opened.result()
        finally:
            self.soon(over.set)
            with self._waiting():
                await there

    def _begin(self) -> None:
        self.calls += 1

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Around what is waited for."""
        self._begin()
        try:
            with self._told():
                yield
        finally:
            self.calls -= 1

    async def stream(self, begin: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """What an async generator gives there."""
        self._begin()
        arrivals = self.arrivals(begin)
        try:
            with self._told():
                async for item in arrivals:
                    yield item
        finally:
            self.calls -= 1
            arrivals.leave()

    def arrivals(self, begin: Callable[[], AsyncGenerator[T, None]]) -> "Arrivals[T]":
        """What an async generator gives there, for who may be cancelled while he waits, and goes on."""
        return Arrivals(self._loop, begin)

    def _told(self) -> AbstractContextManager[None]:
        """Around what is waited for: sees what goes wrong there."""
        return nullcontext()


def _give(to: asyncio.Future[T], one: T) -> None:
    if not to.done():
        to.set_result(one)

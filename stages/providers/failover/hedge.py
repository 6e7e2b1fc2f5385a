"""Asks the next provider beside one that is later than it usually is: whichever has the first word is heard.

A hedge costs a call, so there is a budget: a share of all calls, with a small reserve for a bad minute.
"""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from stages.errors import ProviderError

T = TypeVar("T")

SHARE = 0.1
"""So many of all calls may be hedges."""

RESERVE = 3.0
"""Hedges that may follow each other at once."""

LEAST_S = 0.2
"""No provider is late before that."""

LEAST_CALLS = 10
"""So many calls say what is usual."""

_MOST_WAITING = 16


class HedgeBudget:
    """How many hedges there may be. Pure."""

    def __init__(self) -> None:
        self._saved = 1.0

    def called(self) -> None:
        """A call was made that is no hedge."""
        self._saved = min(RESERVE, self._saved + SHARE)

    def spend(self) -> bool:
        """Whether a hedge may be made; it then is."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


class Pump(Generic[T]):
    """A stream that is read ahead in a task of `tasks`, a little, so that two can be waited for at once."""

    def __init__(self, tasks: TaskGroup, stream: AsyncGenerator[T, None]) -> None:
        self.error: ProviderError | None = None
        self.is_over = False
        self._waiting: deque[T] = deque()
        self._changed = anyio.Event()
        self._scope = anyio.CancelScope()
        self._stream = stream
        tasks.start_soon(self._run)

    def cancel(self) -> None:
        """Let go of the stream."""
        self._scope.cancel()

    async def change(self) -> None:
        """Wait for news, or for room."""
        await self._changed.wait()

    @property
    def waiting(self) -> Sequence[T]:
        """The events that were not taken yet."""
        return self._waiting

    async def events(self) -> AsyncGenerator[T, None]:
        """What comes. Raises the stream's ProviderError."""
        try:
            while self._waiting or not self.is_over:
                if self._waiting:
                    event = self._waiting.popleft()
                    self._tell()
                    yield event
                else:
                    await self.change()
            if self.error is not None:
                raise self.error
        finally:
            self.cancel()

    async def _run(self) -> None:
        with self._scope:
            try:
                async with aclosing(self._stream) as stream:
                    async for event in stream:
                        self._waiting.append(event)
                        self._tell()
                        while len(self._waiting) > _MOST_WAITING:
                            await self.change()
            except ProviderError as error:
                self.error = error
        self.is_over = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

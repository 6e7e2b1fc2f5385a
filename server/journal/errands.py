"""Does the errands of a session that is recorded, in tasks of its own: the session's tasks never run a provider."""

from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from server.domain.errors import alone
from server.journal.beyond import Arrival, ArrivalKind, Arrived, BeginStream, EnterContext, Receive, Work
from server.journal.loops import outside


class LiveErrands:
    """Does errands with real providers. Implements `server.journal.beyond.Beyond`."""

    def __init__(self, group: TaskGroup, post: Callable[[int, Arrival], None]) -> None:
        """`post` is told of what comes of an errand, and when it comes."""
        self._group = group
        self._post = post
        self._scopes: dict[int, anyio.CancelScope] = {}
        self._asked: dict[int, anyio.Semaphore] = {}
        self._left: dict[int, anyio.Event] = {}
        self._values: dict[int, Any] = {}

    def start(self, number: int, work: Work) -> None:
        """See `Beyond`."""

        async def once() -> None:
            self._post(number, Arrived(ArrivalKind.VALUE, await work()))

        self._begin(number, once)

    def start_stream(self, number: int, begin: BeginStream) -> None:
        """See `Beyond`."""
        asked = self._asked[number] = anyio.Semaphore(0)

        async def pass_on() -> None:
            async with aclosing(begin()) as items:
                await asked.acquire()
                async for item in items:
                    self._post(number, Arrived(ArrivalKind.VALUE, item))
                    await asked.acquire()
            self._post(number, Arrived(ArrivalKind.END))

        self._begin(number, pass_on)

    def start_context(self, number: int, enter: EnterContext) -> None:
        """See `Beyond`."""
        left = self._left[number] = anyio.Event()

        async def hold() -> None:
            async with enter() as value:
                self._values[number] = value
                self._post(number, Arrived(ArrivalKind.VALUE))
                await left.wait()
            self._post(number, Arrived(ArrivalKind.END))

        self._begin(number, hold)

    def start_pump(self, number: int, receive: Receive) -> None:
        """See `Beyond`."""
        asked = self._asked[number] = anyio.Semaphore(0)

        async def pump() -> None:
            frame: Any = b""
            while frame is not None:
                await asked.acquire()
                frame = await receive()
                self._post(number, Arrived(ArrivalKind.VALUE, frame))

        self._begin(number, pump)

    def _begin(self, number: int, work: Work) -> None:
        scope = self._scopes[number] = anyio.CancelScope()

        async def contained() -> None:
            try:
                with scope:
                    await work()
                if scope.cancelled_caught:
                    self._post(number, Arrived(ArrivalKind.END))
            except Exception as error:  # noqa: BLE001  # the session's, whatever it is
                self._post(number, Arrived(ArrivalKind.ERROR, alone(error)))
            finally:
                for held in (self._scopes, self._asked, self._left, self._values):
                    held.pop(number, None)

        outside(partial(self._group.start_soon, contained))

    def report(self, number: int, value: Any) -> None:
        """See `Beyond`."""
        self._post(number, Arrived(ArrivalKind.VALUE, value))

    def ask(self, number: int) -> None:
        """See `Beyond`."""
        if (asked := self._asked.get(number)) is not None:
            asked.release()

    def stop(self, number: int) -> None:
        """See `Beyond`."""
        if (scope := self._scopes.get(number)) is not None:
            scope.cancel()

    def leave(self, number: int) -> None:
        """See `Beyond`."""
        if (left := self._left.get(number)) is not None:
            left.set()
        if number not in self._values:  # it has not been entered
            self.stop(number)

    def value(self, number: int) -> Any:
        """See `Beyond`."""
        return self._values.get(number)

"""A door with the real world beyond it: does the errands, and writes down what passes."""

from array import array
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup

from server.domain.ids import Ids
from server.journal import records as rec
from server.journal.door import Arrival, Door, Kind
from server.journal.loops import FOLLOWED, FollowedLoop

T = TypeVar("T")

_TIMES_AT_ONCE = 512
_UNSEEN = object()


class Sink(Protocol):
    """Where records go."""

    def put(self, record: rec.Record, size_bytes: int) -> None:
        """Write it down some time, in order. Never waits, never raises."""


@asynccontextmanager
async def recording(loop: FollowedLoop, ids: Ids, sink: Sink) -> AsyncIterator["Recording"]:
    """A door for one session, which is made and run within. What it has begun outside ends with the block."""
    async with anyio.create_task_group() as group:
        door = Recording(loop, ids, sink, group)
        try:
            yield door
        finally:
            door.finish()
            group.cancel_scope.cancel()


class Recording(Door):
    """The door of a session that is recorded. Implements `server.journal.loops.Follower`."""

    is_live = True

    def __init__(self, loop: FollowedLoop, ids: Ids, sink: Sink, group: TaskGroup) -> None:
        """In `group` is done what the session asks for."""
        super().__init__(loop, ids)
        self._sink = sink
        self._group = group
        self._turns = 0
        self._how = "the session was cancelled"
        self._last_turn = -1
        self._times = array("d")
        self._scores = array("d")
        self._waiting: deque[tuple[rec.Record, int, Callable[[], object]]] = deque()
        self._scopes: dict[int, anyio.CancelScope] = {}
        self._asked: dict[int, anyio.Semaphore] = {}
        self._left: dict[int, anyio.Event] = {}
        self._values: dict[int, Any] = {}
        self._reads: dict[str, list[Any]] = {}
        self._lives = 0
        self._reminders = 0
        self.turn_begins(loop.turn, loop.time())

    async def run(self, run: Callable[[], Awaitable[None]]) -> None:
        """See `Door`."""
        await super().run(run)
        self._how = "over"

    def finish(self) -> None:
        """The session is over; what is not written down yet is handed over."""
        self._flush()
        self._sink.put(rec.Over(self._turns - 1, self._how), 0)

    # --- turns ---------------------------------------------------------------------------------------------------

    def turn_begins(self, number: int, now: float) -> None:
        """See `Follower`."""
        if number == self._last_turn:
            return
        self._last_turn = number
        self._turns += 1
        self._times.append(now)
        if len(self._times) >= _TIMES_AT_ONCE:
            self._flush()

    def deliver(self, number: int, now: float) -> None:
        """See `Follower`."""
        self.turn_begins(number, now)
        waiting, self._waiting = self._waiting, deque()
        for record, size_bytes, let_in in waiting:
            record.turn = self._turns - 1
            self._sink.put(record, size_bytes)
            let_in()

    def _flush(self) -> None:
        for name, numbers in (("turns", self._times), ("scores", self._scores)):
            if numbers:
                self._sink.put(rec.Numbers(name, numbers.tobytes()), 8 * len(numbers))
                del numbers[:]

    def _post(self, number: int, arrival: Arrival) -> None:
        record = rec.Came(0, number, arrival.kind, arrival.value)
        self._wait(record, rec.weight_bytes(arrival.value), partial(self.arrive, number, arrival))

    def deed(self, name: str, arguments: list[Any], act: Callable[[], object]) -> None:
        """Have something outside do something to the session: at the begin of the next turn."""
        self._wait(rec.Deed(0, name, arguments), rec.weight_bytes(arguments), partial(self.do, act))

    def _wait(self, record: rec.Record, size_bytes: int, let_in: Callable[[], object]) -> None:
        self._waiting.append((record, size_bytes, let_in))
        self.loop.expect(self)

    # --- errands -------------------------------------------------------------------------------------------------

    def begin(self, number: int) -> None:
        """See `Door`."""
        self._post(number, Arrival(Kind.VALUE))

    def asked(self, number: int, what: str) -> None:
        """See `Door`."""
        self._sink.put(rec.Asked(self._turns - 1, number, what), 0)

    def start(self, number: int, work: Callable[[], Awaitable[Any]]) -> None:
        """See `Door`."""

        async def once() -> None:
            self._post(number, Arrival(Kind.VALUE, await work()))

        self._begin(number, once)

    def start_stream(self, number: int, begin: Callable[[], AsyncGenerator[Any, None]]) -> None:
        """See `Door`."""
        asked = self._asked[number] = anyio.Semaphore(0)

        async def pass_on() -> None:
            async with aclosing(begin()) as items:
                await asked.acquire()
                async for item in items:
                    self._post(number, Arrival(Kind.VALUE, item))
                    await asked.acquire()
            self._post(number, Arrival(Kind.END))

        self._begin(number, pass_on)

    def start_context(self, number: int, enter: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        """See `Door`."""
        left = self._left[number] = anyio.Event()

        async def hold() -> None:
            async with enter() as value:
                self._values[number] = value
                self._post(number, Arrival(Kind.VALUE))
                await left.wait()
            self._post(number, Arrival(Kind.END))

        self._begin(number, hold)

    def start_pump(self, number: int, receive: Callable[[], Awaitable[Any]]) -> None:
        """See `Door`."""
        asked = self._asked[number] = anyio.Semaphore(0)

        async def pump() -> None:
            frame: Any = b""
            while frame is not None:
                await asked.acquire()
                frame = await receive()
                self._post(number, Arrival(Kind.VALUE, frame))

        self._begin(number, pump)

    def _begin(self, number: int, work: Callable[[], Awaitable[None]]) -> None:
        scope = self._scopes[number] = anyio.CancelScope()

        async def contained() -> None:
            try:
                with scope:
                    await work()
                if scope.cancelled_caught:
                    self._post(number, Arrival(Kind.END))
            except Exception as error:  # noqa: BLE001  # the session's, whatever it is
                self._post(number, Arrival(Kind.ERROR, _alone(error)))
            finally:
                for held in (self._scopes, self._asked, self._left, self._values):
                    held.pop(number, None)  # type: ignore[attr-defined]

        outside = copy_context()
        outside.run(FOLLOWED.set, None)
        outside.run(self._group.start_soon, contained)

    def report(self, number: int, value: Any) -> None:
        """See `Door`."""
        self._post(number, Arrival(Kind.VALUE, value))

    def ask(self, number: int) -> None:
        """See `Door`."""
        if (asked := self._asked.get(number)) is not None:
            asked.release()

    def stop(self, number: int) -> None:
        """See `Door`."""
        if (scope := self._scopes.get(number)) is not None:
            scope.cancel()

    def leave(self, number: int) -> None:
        """See `Door`."""
        if (left := self._left.get(number)) is not None:
            left.set()
        if number not in self._values:  # it has not been entered
            self.stop(number)

    def live_value(self, number: int) -> Any:
        """See `Door`."""
        return self._values.get(number)

    # --- what is done and read at once -----------------------------------------------------------------------------

    def live(self, work: Callable[[], T]) -> T | None:
        """See `Door`."""
        number, self._lives = self._lives, self._lives + 1
        outside = copy_context()
        outside.run(FOLLOWED.set, None)
        try:
            return outside.run(work)
        except Exception as error:
            self._sink.put(rec.Raised(number, error), 0)
            raise

    def read(self, key: str, look: Callable[[], T]) -> T:
        """See `Door`."""
        seen = self._reads.setdefault(key, [0, _UNSEEN])
        value = look()
        if value != seen[1]:
            seen[1] = value
            self._sink.put(rec.Read(key, seen[0], value), rec.weight_bytes(value))
        seen[0] += 1
        return value

    def score(self, look: Callable[[], float]) -> float:
        """See `Door`."""
        value = float(look())
        self._scores.append(value)
        return value

    def told(self, wire: int, frame: str | bytes) -> None:
        """See `Door`."""
        self._sink.put(rec.Told(self._turns - 1, wire, frame), rec.told_bytes(frame))

    def reminder(
        self, tell: Callable[[float, str], Callable[[], None]]
    ) -> Callable[[float, str], Callable[[], None]]:
        """See `Door`."""
        taken_back = dict[int, Callable[[], None]]()

        def remind(delay_s: float, text: str) -> Callable[[], None]:
            number, self._reminders = self._reminders, self._reminders + 1

            def act() -> None:
                taken_back[number] = tell(delay_s, text)

            def take_back() -> None:
                self.deed("take back", [number], lambda: taken_back[number]())

            self.deed("remind", [number, delay_s, text], act)
            return take_back

        return remind


def _alone(error: Exception) -> Exception:
    """What a task group has wrapped, if it is one."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error

"""Event loops that can be followed: what a session does on one depends on nothing but what it is given, and when.

Theory of operation
-------------------
asyncio runs what is ready in order, turn by turn, so a session is determined by what enters it at which place. These
loops hold the rest still. Time stands still within a turn. Timers that are due at once ring in the order in which they
were set. Sets of tasks have an order of their own and not that of memory addresses. What comes from outside enters at
the begin of a turn only, before everything else that becomes ready in it; until then it waits at the session's door.

A session is followed through the context variable `FOLLOWED`, which all its tasks inherit: the loop tells its follower
of each turn in which something of the session runs, and that is all there is to know of the time.
"""

import asyncio
import heapq
import math
import selectors
import time
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

FOLLOWED: ContextVar["Follower | None"] = ContextVar("followed session", default=None)
"""Who follows the session that the code which runs belongs to."""

_FOREVER_S = 24 * 3600
"""As long as the system may be made to wait; `anyio.sleep_forever` is a timer at infinity."""


def outside(work: Callable[[], T]) -> T:
    """Do work that belongs to no session."""
    context = copy_context()
    context.run(FOLLOWED.set, None)
    return context.run(work)


class Follower(Protocol):
    """Is told of a session's turns."""

    def turn_begins(self, number: int, now: float) -> None:
        """Something of the session runs in this turn of the loop; may be told more than once."""

    def deliver(self, number: int, now: float) -> None:
        """A turn begins: let in what waits at the door, in order. Only after `FollowedLoop.expect`."""

    def next_task(self) -> int:
        """The number of the next task of the session."""


class Clock(Protocol):
    """How time passes between two turns."""

    def pass_turn(self, select: Callable[[float | None], Any], timeout_s: float | None) -> tuple[Any, float]:
        """Wait for as long, or let time pass: what `select` has found, and the time. `None` is for ever."""


class RealClock:
    """The clock of the system."""

    def __init__(self) -> None:
        self._now_s = time.monotonic()

    def pass_turn(self, select: Callable[[float | None], Any], timeout_s: float | None) -> tuple[Any, float]:
        """Wait. What the turn before has taken is part of the waiting."""
        if timeout_s:
            timeout_s = max(0.0, timeout_s - (time.monotonic() - self._now_s))
        found = select(timeout_s)
        self._now_s = time.monotonic()
        return found, self._now_s


class StalledError(Exception):
    """Everybody waits, and there is nothing to wait for."""


class VirtualClock:
    """Jumps to the next timer; for tests, in which nothing comes from outside."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def pass_turn(self, select: Callable[[float | None], Any], timeout_s: float | None) -> tuple[Any, float]:
        """Jump. Raises StalledError where no timer is set."""
        if timeout_s is None or timeout_s >= _FOREVER_S:
            raise StalledError("every task waits, and no timer is set")
        self._now_s += max(timeout_s, 0.0)
        return [], self._now_s


class _Turns(selectors.DefaultSelector):
    """Stands in the one place through which a loop goes once a turn."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.loop: FollowedLoop | None = None

    def select(self, timeout: float | None = None) -> Any:
        assert self.loop is not None, "the loop has been made"
        if self.loop.is_expecting:
            timeout = 0.0
        found, now = self._clock.pass_turn(super().select, timeout)
        self.loop.begin_turn(now)
        return found


class Timer(asyncio.TimerHandle):
    """A timer; of several for the same time the one rings first that was set first."""

    __slots__ = ("follower", "number")

    number: int
    follower: Follower | None

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, Timer)
        return (self.when(), self.number) < (other.when(), other.number)

    def _run(self) -> None:
        if self.follower is not None:
            loop: FollowedLoop = self._loop  # type: ignore[attr-defined]  # typeshed does not know it
            self.follower.turn_begins(loop.turn, loop.time())
        super()._run()


class _Task(asyncio.Task[Any]):
    """A task that lies in sets at a place that depends on its number in its session."""

    place: int

    def __new__(cls, *arguments: Any, **options: Any) -> "_Task":
        task = super().__new__(cls)
        follower = FOLLOWED.get()
        task.place = id(task) >> 4 if follower is None else follower.next_task()
        return task

    def __hash__(self) -> int:
        return self.place

    __eq__ = object.__eq__


def _new_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    return _Task(coroutine, loop=loop, **options)


class FollowedLoop(asyncio.SelectorEventLoop):
    """An event loop for sessions that are followed, and for others beside them."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Without a clock, in real time."""
        turns = _Turns(clock or RealClock())
        self._now_s = 0.0
        self.turn = 0
        """The number of the turn that runs."""
        self._is_beginning = False
        self._stirred: dict[Follower, None] = {}
        """Whose sessions do something in the next turn, in order."""
        self._expecting: dict[Follower, None] = {}
        self._timers = 0
        if isinstance(turns._clock, RealClock):  # noqa: SLF001  # of this module
            self._now_s = time.monotonic()
        super().__init__(turns)
        turns.loop = self
        self.set_task_factory(_new_task)

    @property
    def _clock_resolution(self) -> float:
        """How much too early a timer may ring: not at all, whatever the system's clock."""
        return math.ulp(self._now_s)

    @_clock_resolution.setter
    def _clock_resolution(self, value: float) -> None:
        """The system's, which the loop sets, would make a difference of machines."""

    def time(self) -> float:
        """The time at which the turn began."""
        return self._now_s

    def begin_turn(self, now: float) -> None:
        """Tell the followers, and have them let in what waits."""
        self._now_s = now
        self.turn += 1
        stirred, self._stirred = self._stirred, {}
        expecting, self._expecting = self._expecting, {}
        self._is_beginning = True
        for follower in stirred:
            follower.turn_begins(self.turn, now)
        for follower in expecting:
            follower.deliver(self.turn, now)
        self._is_beginning = False

    def expect(self, follower: Follower) -> None:
        """Something waits at this door for the next turn, which begins as soon as this one is over."""
        self._expecting[follower] = None

    @property
    def is_expecting(self) -> bool:
        """Whether something waits at a door."""
        return bool(self._expecting)

    def call_soon(  # type: ignore[override]  # of any callback
        self, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As of any loop; whose session it is does something in the next turn."""
        if not self._is_beginning:
            follower = FOLLOWED.get() if context is None else context.get(FOLLOWED)
            if follower is not None:
                self._stirred[follower] = None
        return super().call_soon(callback, *arguments, context=context)

    def call_at(  # type: ignore[override]  # of any callback
        self, when: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As of any loop; see `Timer`."""
        timer = Timer(when, callback, arguments, self, context)
        timer.number = self._timers = self._timers + 1
        timer.follower = FOLLOWED.get() if context is None else context.get(FOLLOWED)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]  # typeshed does not know it
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001  # what `call_at` of asyncio does
        return timer

"""Virtual time for tests: an event loop whose clock jumps to the next timer when everybody is blocked.

    @virtual
    async def test_an_hour_passes() -> None:
        await anyio.sleep(3600)

An hour costs microseconds, and durations are exact. When nothing is scheduled and nobody can go on, waiting
would last for ever: that raises StalledError at once. Threads and sockets cannot be waited for in here.
"""

import asyncio
import math
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from functools import wraps
from heapq import heappush
from itertools import count
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


_FOREVER_S = 24 * 3600
"""A loop never waits longer at a time; `anyio.sleep_forever` is a timer at infinity."""

_NOTHING: list[Any] = []
"""Can have happened outside."""


class StalledError(Exception):
    """Everybody waits, and there is nothing to wait for."""


class TasksLeftError(Exception):
    """A function has returned, and something it has started goes on."""


async def tasks_left() -> set[asyncio.Task[Any]]:
    """The tasks of this loop but the current one. Who has been cancelled may take some turns of the loop."""
    for _ in range(10):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


class _JumpingSelector(selectors.DefaultSelector):
    """Lets time pass instead of waiting."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> Any:
        loop = self.loop
        loop.turns += 1
        if timeout is None or timeout >= _FOREVER_S:
            raise StalledError("every task waits, and no timer is set")
        if timeout > 0:
            loop.jump()
        return _NOTHING  # to ask the system costs more than a frame's journey is worth


class _Timer(asyncio.TimerHandle):
    """Rings after those that were set before it for the same time: a heap alone keeps no order among equals, and who
    is first would depend on who else waits."""

    __slots__ = ("_number",)
    _scheduled: bool
    _when: float

    def __init__(self, number: int, *given: Any) -> None:
        super().__init__(*given)
        self._number = number

    def __lt__(self, other: Any) -> bool:
        when: float = other._when
        return self._when < when or (self._when == when and self._number < other._number)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop in virtual time, which begins at zero seconds."""

    _scheduled: list[_Timer]  # the loop's own heap

    def __init__(self) -> None:
        self.turns = 0
        """How often the loop has gone round: what all that has happened has cost, on whatever machine."""
        self._timers = count()
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self._set_time(0.0)

    def call_at(  # type: ignore[override]  # the same, without the types of what is passed on
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Have a timer ring at this time, after all that were set for the same."""
        timer = _Timer(next(self._timers), when, callback, args, self, context)
        heappush(self._scheduled, timer)
        timer._scheduled = True  # noqa: SLF001  # as the loop does, so that it counts those that are cancelled
        return timer

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def jump(self) -> None:
        """Go to when the next timer rings. Added up from waits, the time would be a hair off, by how many others wait
        meanwhile."""
        self._set_time(max(self._now_s, self._scheduled[0]._when))  # noqa: SLF001  # a call less

    def stand_still(self, seconds: float) -> None:
        """Let time pass in which nobody can go on, as behind a long turn of the loop."""
        self._set_time(self._now_s + seconds)

    def _set_time(self, now_s: float) -> None:
        """Timers may ring too early by `_clock_resolution`: not at all. They would be set again, and the time would
        never come. The loop rings what is set for less than this from now, so the least number that counts is needed.
        """
        self._now_s = now_s
        self._clock_resolution = math.ulp(now_s)


def virtual_loop() -> VirtualTimeLoop:
    """The running loop, in a test that runs in virtual time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop), "this is not virtual time"
    return loop


def run_virtual(
    function: Callable[..., Awaitable[T]],
    *args: Any,
    make_loop: Callable[[], VirtualTimeLoop] = VirtualTimeLoop,
) -> T:
    """Run `await function(*args)` in virtual time.

    Raises StalledError when it hangs, TasksLeftError when it leaves a task behind.
    """

    async def main() -> T:
        result = await function(*args)
        if left := await tasks_left():
            raise TasksLeftError(f"tasks are left: {left}")
        return result

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(main())


def virtual(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make an async test run in virtual time."""

    @wraps(function)
    def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_virtual(lambda: function(*args, **kwargs))

    return in_virtual_time

"""Virtual time for tests: an event loop whose clock jumps to the next timer when everybody is blocked.

    @virtual
    async def test_an_hour_passes() -> None:
        await anyio.sleep(3600)

An hour costs microseconds, and durations are exact. When nothing is scheduled and nobody can go on, waiting
would last for ever: that raises StalledError at once. Threads and sockets cannot be waited for in here.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from functools import wraps
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


_FOREVER_S = 24 * 3600
"""A loop never waits longer at a time; `anyio.sleep_forever` is a timer at infinity."""

_MANY_CANCELLED = 100
"""Timers: as many may wait for their time."""


class StalledError(Exception):
    """Everybody waits, and there is nothing to wait for."""


class TasksLeftError(Exception):
    """A function has returned, and something it has started goes on."""


async def tasks_left() -> set[asyncio.Task[Any]]:
    """The tasks of this loop but the current one. Who has been cancelled may take some turns of the loop."""
    for _ in range(10):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


class _Timer(asyncio.TimerHandle):
    """Rings after those that were set before it for the same time: a heap alone keeps no order among equals, and who
    is first would depend on who else waits."""

    __slots__ = ("number",)
    number: int
    _scheduled: bool
    _when: float

    def __lt__(self, other: Any) -> bool:
        when: float = other._when
        return self._when < when or (self._when == when and self.number < other.number)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop in virtual time, which begins at zero seconds."""

    _scheduled: list[_Timer]  # the loop's own heap
    _ready: deque[asyncio.Handle]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self) -> None:
        self.turns = 0
        """How often the loop has gone round: what all that has happened has cost, on whatever machine."""
        self._now_s = 0.0
        self._timers = count()
        super().__init__()

    def call_at(  # type: ignore[override]  # the same, without the types of what is passed on
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Have a timer ring at this time, after all that were set for the same."""
        timer = _Timer(when, callback, args, self, context)
        timer.number = next(self._timers)
        heappush(self._scheduled, timer)
        timer._scheduled = True  # noqa: SLF001  # as the loop does, so that it counts those that are cancelled
        return timer

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def stand_still(self, seconds: float) -> None:
        """Let time pass in which nobody can go on, as behind a long turn of the loop."""
        self._now_s += seconds

    def _run_once(self) -> None:
        """A turn, in the order in which any loop has it. The system is not asked: nothing can have happened there,
        and to ask costs more than a frame's journey is worth."""
        self.turns += 1
        self._forget_cancelled()
        scheduled, ready = self._scheduled, self._ready
        if not (ready or self._stopping):
            if not scheduled or scheduled[0]._when - self._now_s >= _FOREVER_S:  # noqa: SLF001
                raise StalledError("every task waits, and no timer is set")
            self._now_s = max(self._now_s, scheduled[0]._when)  # noqa: SLF001
        while scheduled and scheduled[0]._when <= self._now_s:  # noqa: SLF001
            timer = heappop(scheduled)
            timer._scheduled = False  # noqa: SLF001
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001
                handle._run()  # noqa: SLF001

    def _forget_cancelled(self) -> None:
        """Take the timers out that were cancelled: those that come next, and all where they are many."""
        scheduled = self._scheduled
        while scheduled and scheduled[0]._cancelled:  # noqa: SLF001
            heappop(scheduled)._scheduled = False  # noqa: SLF001
            self._timer_cancelled_count -= 1
        if self._timer_cancelled_count > max(_MANY_CANCELLED, len(scheduled) // 2):
            for timer in scheduled:
                timer._scheduled = not timer._cancelled  # noqa: SLF001
            self._scheduled = [timer for timer in scheduled if timer._scheduled]  # noqa: SLF001
            heapify(self._scheduled)
            self._timer_cancelled_count = 0


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

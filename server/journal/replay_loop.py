"""The event loop of a replay: turns at recorded times, without timers of the system, sockets and other sessions.

A recording of ten minutes has some 50,000 turns, most of them for one frame of the microphone, so what a turn costs by
itself counts. The order is that of `FollowedLoop`: what is let in, then timers that are due, then what they made ready.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

from server.journal.loops import FollowedLoop, Timer


def _nothing(turn: int, now: float) -> None:
    """For a loop that nothing is let in to."""


class RecordOver(Exception):
    """There are no more turns in the record."""


class ReplayLoop(FollowedLoop):
    """Runs one session again. Raises RecordOver out of `run_until_complete` behind the last recorded turn."""

    def __init__(self, times_s: Sequence[float]) -> None:
        """`times_s` are the times at which the session's turns began."""
        self._times_s: Iterator[float] = iter(times_s)
        self._let_in: Callable[[int, float], None] = _nothing
        super().__init__()
        self._now_s = times_s[0] if times_s else 0.0

    def goes_on_for(self, turns: int) -> None:
        """Have so many more turns, in no time, to end what goes on."""
        self._times_s = repeat(self._now_s, turns)

    def let_in(self, deliver: Callable[[int, float], None]) -> None:
        """Have it let in what is recorded, at the begin of each turn, of which it gets the number and the time."""
        self._let_in = deliver

    def call_soon(  # type: ignore[override]  # of any callback
        self, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As of any loop; whose it is makes no difference here."""
        handle = asyncio.Handle(callback, arguments, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # of any callback
        self, when: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As of any loop; see `FollowedLoop.call_at`."""
        timer = Timer(when, callback, arguments, self, context)
        timer.number = self._timers = self._timers + 1
        timer.follower = None
        heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001  # what `call_at` of asyncio does
        return timer

    _ready: deque[asyncio.Handle]
    _scheduled: list[Any]

    def _run_once(self) -> None:
        """Run one turn of the loop."""
        now = next(self._times_s, None)
        if now is None:
            raise RecordOver
        self._now_s = now
        self.turn += 1
        self._let_in(self.turn, now)
        scheduled, ready = self._scheduled, self._ready
        if scheduled and (scheduled[0]._when <= now or scheduled[0]._cancelled):  # noqa: SLF001
            self._ring(now)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001
                handle._run()  # noqa: SLF001

    def _ring(self, now: float) -> None:
        """Make ready what is due."""
        scheduled = self._scheduled
        while scheduled and (scheduled[0]._when <= now or scheduled[0]._cancelled):  # noqa: SLF001
            timer = heappop(scheduled)
            timer._scheduled = False  # noqa: SLF001
            if timer.cancelled():
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(timer)

    _timer_cancelled_count: int

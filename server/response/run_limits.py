"""What ends a run of the pipeline before its time: stages that do not decide or come to nothing, and speech without an
end."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from server.domain.deadlines import Deadlines

T = TypeVar("T")


class Overdue(Exception):
    """Raised when a stage has taken too long; `stage` is the one that has waited longest."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(f"stage {stage!r} {why}")
        self.stage = stage


class TooLong(Exception):
    """Raised when a response has been speaking for as long as it may."""


class RunLimits:
    """The limits of one run. Plain calls but for `keep`; the loop's clock."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._scope = anyio.CancelScope()
        self._under_way: dict[str, float] = {}
        """By stage, in the order of their begin: when it must have ended."""
        self._first = ""
        """Of those that decide, the one whose time is up first."""
        self._spoken_s = 0.0
        self._lived_at = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._is_stalled = False

    async def keep(self, run: Awaitable[T], silent_at: Callable[[], float] | None = None) -> T:
        """Await the run. Raises Overdue and TooLong, with the run cancelled.

        `silent_at` says when all that was said so far has been heard, as the loop counts time; 0 if nothing was said.
        """
        if silent_at is not None:
            self._look(asyncio.get_running_loop(), silent_at)
        try:
            with self._scope:
                return await run
        finally:
            if self._timer is not None:
                self._timer.cancel()
        deadlines = self._deadlines
        if self._spoken_s > deadlines.speak_s:
            raise TooLong
        if self._is_stalled:
            raise Overdue(next(iter(self._under_way), ""), f"gave nothing more for {deadlines.think_s:g} s")
        raise Overdue(self._first, f"did not decide within {deadlines.decide_s:g} s")

    def begins(self, stage: str, *, decides: bool) -> None:
        """A stage has begun: a guard or a router that has all it needs, or one that others limit."""
        limit_s = self._deadlines.decide_s if decides else math.inf
        self._under_way[stage] = asyncio.get_running_loop().time() + limit_s
        self._arm()

    def ends(self, stage: str) -> None:
        """It has ended, in whatever way."""
        if not self._scope.cancel_called:  # who ends then has been ended
            self._under_way.pop(stage, None)
            self._arm()

    def lives(self, now: float) -> None:
        """The run has given a sign of life."""
        self._lived_at = now

    def spoke(self, seconds: float) -> None:
        """So much more of the answer has been spoken."""
        self._spoken_s += seconds
        if self._spoken_s > self._deadlines.speak_s:
            self._scope.cancel()

    def _arm(self) -> None:
        if self._scope.cancel_called:
            return
        self._first = min(self._under_way, key=self._under_way.__getitem__, default="")
        until = min(self._under_way.values(), default=math.inf)
        if until != self._scope.deadline:  # few stages have a limit, and to set it sets a timer anew
            self._scope.deadline = until

    def _look(self, loop: asyncio.AbstractEventLoop, silent_at: Callable[[], float]) -> None:
        """Cancel an answer that is in the middle of what it says, and silent for too long; else look again later."""
        now, limit_s, silent_since = loop.time(), self._deadlines.think_s, silent_at()
        late_at = max(silent_since or now, self._lived_at) + limit_s
        if late_at <= now:
            self._is_stalled = True
            self._scope.cancel()
        else:
            self._timer = loop.call_at(min(late_at, now + limit_s), self._look, loop, silent_at)

"""What ends a run of the pipeline before its time: stages that do not decide, and speech without an end."""

import math
from collections.abc import Awaitable
from typing import TypeVar

import anyio

from server.domain.deadlines import Deadlines

T = TypeVar("T")


class Undecided(Exception):
    """A guard or a router has taken too long; `stage` is the one that has waited longest."""

    def __init__(self, stage: str, limit_s: float) -> None:
        super().__init__(f"stage {stage!r} did not decide within {limit_s:g} s")
        self.stage = stage


class TooLong(Exception):
    """The answer has been speaking for as long as it may."""


class RunLimits:
    """The limits of one run. Plain calls but for `keep`; `anyio`'s clock."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._scope = anyio.CancelScope()
        self._deciding: dict[str, float] = {}
        self._first = ""
        """Of those that decide, the one whose time is up first."""
        self._spoken_s = 0.0

    async def keep(self, run: Awaitable[T]) -> T:
        """Await the run. Raises Undecided and TooLong, with the run cancelled."""
        with self._scope:
            return await run
        if self._spoken_s > self._deadlines.speak_s:
            raise TooLong
        raise Undecided(self._first, self._deadlines.decide_s)

    def decides(self, stage: str) -> None:
        """A guard or a router has begun."""
        self._deciding[stage] = anyio.current_time() + self._deadlines.decide_s
        self._arm()

    def decided(self, stage: str) -> None:
        """It has ended, in whatever way."""
        self._deciding.pop(stage, None)
        self._arm()

    def spoke(self, seconds: float) -> None:
        """So much more of the answer has been spoken."""
        self._spoken_s += seconds
        if self._spoken_s > self._deadlines.speak_s:
            self._scope.cancel()

    def _arm(self) -> None:
        if self._scope.cancel_called:
            return  # whoever ends now has been ended
        self._first = min(self._deciding, key=self._deciding.__getitem__, default="")
        self._scope.deadline = min(self._deciding.values(), default=math.inf)

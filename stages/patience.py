"""How long a stage waits for a provider, and what it says when that was in vain."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio

from stageflow.core import StageOutput
from stages.errors import ProviderError, ProviderTimeout

T = TypeVar("T")

HANDS = 5
"""Through so many hands, a turn of the loop each, goes what comes from a socket until it is where it is waited for."""


async def within(limit_s: float, complaint: str, answer: Awaitable[T]) -> T:
    """Await an answer for at most `limit_s`; raises ProviderTimeout with the complaint when it is late."""
    # Once a token and once a stretch of audio: `anyio.fail_after` says the same at twice the price.
    with anyio.CancelScope(deadline=asyncio.get_running_loop().time() + limit_s):
        return await answer
    raise ProviderTimeout(complaint)


class Lateness:
    """Ends a wait that lasts for too long, of many one after the other in one scope: a scope and a timer for each cost
    as much as a token or a stretch of audio."""

    def __init__(self, limit_s: float = math.inf) -> None:
        """Each may last for `limit_s` from the time on at which `expect` is called, if that does not say more."""
        self._limit_s = limit_s
        self._heard_until: Callable[[], float] | None = None
        self._late_at = math.inf
        self._timer: asyncio.Handle | None = None
        self._rings_at = math.inf
        self._scope = anyio.CancelScope()

    def __enter__(self) -> anyio.CancelScope:
        """Wait in here; the scope is left, cancelled, when what was expected is late."""
        return self._scope.__enter__()

    def __exit__(self, *exc_info: Any) -> bool:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
        return bool(self._scope.__exit__(*exc_info))

    def expect(self, limit_s: float | None = None, heard_until: Callable[[], float] | None = None) -> None:
        """Something is waited for from now on, or is already: for `limit_s`, counted from when all that was said has
        been heard, if `heard_until` tells that in the loop's time."""
        if self._late_at == math.inf:
            self._limit_s = self._limit_s if limit_s is None else limit_s
            self._heard_until = heard_until
            self._late_at = asyncio.get_running_loop().time() + self._limit_s
            if self._timer is None or self._late_at < self._rings_at:
                self._look_at(self._late_at)

    def rest(self) -> None:
        """Nothing is waited for just now."""
        self._late_at = math.inf

    def _late(self) -> float:
        """When it is late, by what is known now."""
        if self._heard_until is None:
            return self._late_at
        return max(self._late_at, self._heard_until() + self._limit_s)

    def _look(self) -> None:
        """The timer that was set for an earlier wait has rung."""
        loop, self._timer = asyncio.get_running_loop(), None
        if self._late() <= loop.time():
            # Not at once: what came in time, be it in this same long turn of the loop, is taken first.
            self._timer, self._rings_at = loop.call_soon(self._end, HANDS), -math.inf
        else:
            self._look_later(loop.time())

    def _end(self, hands: int) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        now = loop.time()
        if self._late() <= now and hands:
            self._timer = loop.call_soon(self._end, hands - 1)
        elif self._late() <= now:
            self._scope.cancel()
        else:
            self._look_later(now)

    def _look_later(self, now: float) -> None:
        if self._late_at < math.inf:
            self._look_at(min(self._late(), now + self._limit_s))  # what is to be heard may be thrown away

    def _look_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings_at = asyncio.get_running_loop().call_at(when, self._look), when


@contextmanager
def patience(limit_s: float) -> Iterator[anyio.CancelScope]:
    """As `anyio.move_on_after`, where this process is not to take its own lateness for that of whom it waits for."""
    lateness = Lateness(limit_s)
    with lateness as scope:
        if limit_s < math.inf:
            lateness.expect()
        yield scope


def failed(error: ProviderError) -> StageOutput:
    """A provider's error as the outcome of the stage that asked it; `error_type` is for programs."""
    return StageOutput.fail(error=str(error), data={"error_type": type(error).__name__})

"""How long a stage waits for a provider, and what it says when that was in vain."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from stageflow.core import StageOutput
from stages.errors import ProviderError, ProviderTimeout

T = TypeVar("T")


async def within(limit_s: float, complaint: str, answer: Awaitable[T]) -> T:
    """Await an answer for at most `limit_s`; raises ProviderTimeout with the complaint when it is late."""
    # Once a token and once a stretch of audio: `anyio.fail_after` says the same at twice the price.
    with anyio.CancelScope(deadline=asyncio.get_running_loop().time() + limit_s):
        return await answer
    raise ProviderTimeout(complaint)


async def within_hearing(
    limit_s: float, complaint: str, answer: Awaitable[T], heard_until: Callable[[], float]
) -> T:
    """The same, but the time counts from when all that was said has been heard: `heard_until`, in the loop's time."""
    loop = asyncio.get_running_loop()
    scope, began = anyio.CancelScope(), loop.time()
    timer = loop.call_at(began + limit_s, lambda: look())

    def look() -> None:
        nonlocal timer
        late_at = max(began, heard_until()) + limit_s
        if late_at <= loop.time():
            scope.cancel()
        else:
            timer = loop.call_at(min(late_at, loop.time() + limit_s), look)

    try:
        with scope:
            return await answer
    finally:
        timer.cancel()
    raise ProviderTimeout(complaint)


class Lateness:
    """Ends a wait that lasts for too long, of many one after the other in one scope: a scope and a timer for each cost
    as much as a stretch of audio."""

    def __init__(self, limit_s: float) -> None:
        """Each may last for `limit_s` from the time on at which `expect` is called."""
        self._limit_s = limit_s
        self._late_at = math.inf
        self._timer: asyncio.Handle | None = None
        self._scope = anyio.CancelScope()

    def __enter__(self) -> anyio.CancelScope:
        """Wait in here; the scope is left, cancelled, when what was expected is late."""
        return self._scope.__enter__()

    def __exit__(self, *exc_info: Any) -> bool:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
        return bool(self._scope.__exit__(*exc_info))

    def expect(self) -> None:
        """Something is waited for from now on, or is already."""
        if self._late_at == math.inf:
            loop = asyncio.get_running_loop()
            self._late_at = loop.time() + self._limit_s
            if self._timer is None:
                self._timer = loop.call_at(self._late_at, self._look)

    def rest(self) -> None:
        """Nothing is waited for just now."""
        self._late_at = math.inf

    def _look(self) -> None:
        """The timer that was set for an earlier wait has rung."""
        loop, self._timer = asyncio.get_running_loop(), None
        if self._late_at <= loop.time():
            # Not at once: what came in time, be it in this same long turn of the loop, is taken first.
            self._timer = loop.call_soon(self._end)
        else:
            self._look_later()

    def _end(self) -> None:
        self._timer = None
        if self._late_at <= asyncio.get_running_loop().time():
            self._scope.cancel()
        else:
            self._look_later()

    def _look_later(self) -> None:
        if self._late_at < math.inf:
            self._timer = asyncio.get_running_loop().call_at(self._late_at, self._look)


def failed(error: ProviderError) -> StageOutput:
    """A provider's error as the outcome of the stage that asked it; `error_type` is for programs."""
    return StageOutput.fail(error=str(error), data={"error_type": type(error).__name__})

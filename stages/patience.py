"""How long a stage waits for a provider, and what it says when that was in vain."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from stageflow.core import StageOutput
from stages.errors import ProviderError, ProviderTimeout

T = TypeVar("T")


async def within(limit_s: float, complaint: str, answer: Awaitable[T]) -> T:
    """Await an answer for at most `limit_s`; raises ProviderTimeout with the complaint when it is late."""
    # Once a token and once a stretch of audio: `anyio.fail_after` says the same at twice the price.
    with anyio.CancelScope(deadline=anyio.current_time() + limit_s):
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


def failed(error: ProviderError) -> StageOutput:
    """A provider's error as the outcome of the stage that asked it; `error_type` is for programs."""
    return StageOutput.fail(error=str(error), data={"error_type": type(error).__name__})

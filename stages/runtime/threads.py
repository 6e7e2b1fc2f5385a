"""Work of a stage that is sent to a thread, so that a text that is dear to look through holds nobody else up."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from anyio import to_thread

T = TypeVar("T")

SENDER: ContextVar[Callable[..., Awaitable[Any]] | None] = ContextVar("who sends to threads", default=None)
"""Who does it in the stead of `anyio.to_thread.run_sync`: a session that is recorded has to know when it is done."""


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """What the function gives, which depends on its arguments alone. Raises what it raises. Cancel-safe."""
    send = SENDER.get() or to_thread.run_sync
    result: T = await send(function, *arguments)
    return result

"""One stage of a run, from its start to its end: its attempts, and how it is brought down if it does not end.

Cancellation asks a coroutine to end; code that catches it, or shields itself, need not obey. So a stage's
coroutine is driven by hand, step by step, as `await` would do it: between two steps, an exception that nobody
expects can be thrown into it, again and again until it has ended. Its `finally` blocks run, and nothing of it
is left. Only tasks that a stage has started beside itself, and that ignore cancellation in their turn, are
out of reach.
"""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from random import random
from typing import Any, TypeVar

import anyio

from stageflow.core import StageContext, StageOutput, StageStatus
from stageflow.errors import InvalidOutputError
from stageflow.graph import Node

T = TypeVar("T")

# Each `await` in a `finally`, and each handler that swallows everything, takes one; who has more is dropped.
_THROWS = 100
_NO_POLICY = "it asks for another try, but has no retry policy: add retry=RetryPolicy() to its with_stage"


class BroughtDown(BaseException):
    """Thrown into a stage that does not end by itself; no `Exception` and no cancellation, so nobody expects it."""


@dataclass(slots=True)
class Pilot:
    """Drives a coroutine in the task that awaits `drive`, and can bring it down from outside."""

    _task: asyncio.Task[Any] | None = None
    _is_bringing_down: bool = False

    def bring_down(self) -> None:
        """End the coroutine whether it wants to or not; the task sees a cancellation."""
        self._is_bringing_down = True
        if self._task is not None:
            self._task.cancel()

    @types.coroutine
    def drive(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Await the coroutine, until it returns, raises, or is brought down."""
        self._task = asyncio.current_task()
        advance, value = coroutine.send, None
        while True:
            try:
                awaited = advance(value)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            try:
                value = yield awaited
                advance = coroutine.send
            except BaseException as error:
                if self._is_bringing_down:
                    with suppress(BaseException):  # whatever it ends with
                        for _ in range(_THROWS):
                            coroutine.throw(BroughtDown())
                    raise
                advance, value = coroutine.throw, error


async def attempts(node: Node, context: StageContext, tell: Callable[..., None]) -> StageOutput:
    """Run a stage until it does not ask for another try, or does not get it. `tell` is the run's."""
    attempt, policy = 1, node.spec.retry
    while (output := await node.call(context)).status is StageStatus.RETRY:
        if policy is None:
            why = _NO_POLICY
        elif attempt >= policy.max_attempts:
            why = f"after {attempt} attempts, which is all that its retry policy allows"
        elif context.stream.sent:
            why = "another try is impossible, because its consumers have had items of its stream already"
        elif any(channel.taken for channel in context.inputs.streams.values()):
            why = "another try is impossible, because it has had items of a stream already"
        else:
            wait_s = policy.delay_s(attempt, output.after_s, random())
            told = {"attempt": attempt, "wait_s": wait_s, "error": output.error}
            tell("stage.retried", node, duration_ms=output.duration_ms, **told)
            await anyio.sleep(wait_s)
            attempt += 1
            context.artifacts.clear()
            context.events.clear()
            continue
        error = f"{output.error or 'it asked for another try'} ({why})"
        return replace(output, status=StageStatus.FAIL, error=error)
    has_route = not node.awaiting_route or isinstance(output.data.get("route"), str)
    if not has_route and output.status is StageStatus.OK:
        lack = f"gave no route, which {', '.join(map(repr, node.awaiting_route))} wait for"
        remedy = "return StageOutput.ok(route=...) with a string"
        raise InvalidOutputError(f"stage {node.name!r} {lack}: {remedy}")
    return output

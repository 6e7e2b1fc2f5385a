"""One stage in the air: what the executor holds of it, and how it is brought down if it does not come by itself.

Cancellation asks a coroutine to end; code that catches it, or shields itself, need not obey. So a stage's
coroutine is driven by hand, step by step, as `await` would do it: between two steps, an exception that nobody
expects can be thrown into it, again and again until it has ended. Its `finally` blocks run, and nothing of it
is left. Only tasks that a stage has started beside itself, and that ignore cancellation in their turn, are
out of reach.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from stageflow.core import Recording
from stageflow.graph import Node
from stageflow.streams import StreamWriter

T = TypeVar("T")

_ATTEMPTS = 100
"""Each `await` in a `finally`, and each handler that swallows everything, takes one; who has more is dropped."""


class BroughtDown(BaseException):
    """Thrown into a stage that does not end by itself; no `Exception` and no cancellation, so nobody expects it."""


class Flight:
    """A stage from its start to its end."""

    __slots__ = ("_state", "_task", "node", "recording", "started_s", "timeout", "writer")

    def __init__(self, node: Node, task: asyncio.Task[Any], started_s: float, writer: StreamWriter) -> None:
        self.node = node
        self.started_s = started_s
        self.writer = writer
        self.timeout: asyncio.TimerHandle | None = None
        self.recording = Recording()
        """What the attempt that is under way has recorded."""
        self._task = task
        self._state = "flying"  # -> "told to end" -> "brought down"

    @property
    def was_told_to_end(self) -> bool:
        """Whether a cancellation has reached the stage, obeyed or not."""
        return self._state != "flying"

    def bring_down(self) -> None:
        """End the stage whether it wants to or not; its task sees a cancellation."""
        self._state = "brought down"
        self._task.cancel()

    @types.coroutine
    def drive(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Await the coroutine, until it returns, raises, or is brought down."""
        advance, value = coroutine.send, None
        while True:
            try:
                awaited = advance(value)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                value = yield awaited
                advance = coroutine.send
            except BaseException as error:
                if self._state == "brought down":
                    _take_down(coroutine)
                    raise
                if isinstance(error, asyncio.CancelledError):
                    self._state = "told to end"
                advance, value = coroutine.throw, error


def _take_down(coroutine: Coroutine[Any, Any, Any]) -> None:
    for _ in range(_ATTEMPTS):
        try:
            coroutine.throw(BroughtDown())
        except BaseException:  # noqa: BLE001  # it has ended: this is thrown away as it is
            return

"""Drives a coroutine by hand, so that it can be brought down.

Cancellation asks a coroutine to end; code that catches it, or shields itself, need not obey. So a stage's
coroutine is driven step by step, as `await` would do it: between two steps, an exception that nobody expects can
be thrown into it, again and again until it has ended. Only tasks that a stage has started beside itself, and that
ignore cancellation in their turn, are out of reach.
"""

import asyncio
import contextvars
import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
# Each `await` in a `finally`, and each handler that swallows everything, takes one; who has more is dropped.
_THROWS = 100
GRACE_S = 1.0  # how long a cancelled stage may take to end; twenty times what is asked of it


class BroughtDown(BaseException):
    """Thrown into a stage that does not end by itself; no `Exception` and no cancellation, so nobody expects it."""


class Pilot:
    """Drives a coroutine in the task that awaits `drive`, and can bring it down from outside.

    The coroutine runs in a context of its own: what it sets in a context variable is not seen outside of it.
    """

    task: asyncio.Task[Any] | None = None
    is_bringing_down = False

    def __init__(self, variables: contextvars.Context | None = None) -> None:
        self._variables = variables or contextvars.copy_context()

    def bring_down(self) -> None:
        """End the coroutine whether it wants to or not; the task sees a cancellation."""
        self.is_bringing_down = True
        if self.task is not None:
            self.task.cancel()

    @types.coroutine
    def drive(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> Generator[Any, Any, T]:
        """Await the coroutine, until it returns, raises, or is brought down. The task takes `name`, if given."""
        self.task = task = self.task or asyncio.current_task()
        if name and task is not None:
            task.set_name(name)
        run, advance, value = self._variables.run, coroutine.send, None
        while True:
            try:
                awaited = run(advance, value)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            try:
                value = yield awaited
                advance = coroutine.send
            except BaseException as error:
                if self.is_bringing_down:
                    with suppress(BaseException):  # whatever it ends with
                        for _ in range(_THROWS):
                            run(coroutine.throw, BroughtDown())
                    raise
                advance, value = coroutine.throw, error

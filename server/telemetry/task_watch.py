"""Says in the log who leaves tasks behind: a plug-in whose task outlives the session that it was begun for is named.

The loop tells of each task as it begins. One that code of ours has begun has an owner that ends it; of those that
somebody else's code has begun it is noted where, and looked at again a moment after the session is over.
"""

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import CodeType, FrameType
from typing import Any
from weakref import WeakKeyDictionary

from server.telemetry.loop_watch import is_foreign, place_in

log = logging.getLogger(__name__)

FAREWELL_S = 2.0
"""What is on its way out has so long to be gone."""
QUIET_S = 60.0
"""After so long the same place is told of again."""

Begun = tuple[str, CodeType, int]
"""Module, code and line of who began a task."""

_NOTED: ContextVar["WeakKeyDictionary[asyncio.Task[Any], Begun] | None"] = ContextVar("noted", default=None)
"""The tasks of the session that runs here, which others' code has begun."""


class TaskWatch:
    """Watches the tasks of one event loop."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The running loop tells of its tasks within."""
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()
        loop.set_task_factory(partial(_noting, before or _task))
        try:
            yield
        finally:
            loop.set_task_factory(before)

    @contextmanager
    def session(self) -> Iterator[None]:
        """What begins within is a session's, and should end with it."""
        noted = WeakKeyDictionary[asyncio.Task[Any], Begun]()
        token = _NOTED.set(noted)
        try:
            yield
        finally:
            _NOTED.reset(token)
            # A plug-in's loop may note one more meanwhile.
            if any(not task.done() for task in _all_of(noted)):
                asyncio.get_running_loop().call_later(FAREWELL_S, self._look, noted)

    def _look(self, noted: "WeakKeyDictionary[asyncio.Task[Any], Begun]") -> None:
        now = asyncio.get_running_loop().time()
        for task in _all_of(noted):
            if (begun := noted.get(task)) is None:
                continue
            place = place_in(*begun)
            if task.done() or now - self._told_at.get(place, -QUIET_S) < QUIET_S:
                continue
            self._told_at[place] = now
            log.warning("a task outlives its session; who began it should end it: %s", place)


def _all_of(noted: "WeakKeyDictionary[asyncio.Task[Any], Begun]") -> list[asyncio.Task[Any]]:
    return [task for ref in noted.keyrefs() if (task := ref()) is not None]


def _task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coroutine, loop=loop, **options)


def _noting(make: Any, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """Make a task, as the loop does, and note who began it."""
    task: asyncio.Task[Any] = make(loop, coroutine, **options)
    if (noted := _NOTED.get()) is not None and (begun := _beginner()) is not None:
        noted[task] = begun
    return task


def _beginner() -> Begun | None:
    """Whose code is beginning a task; None if ours is."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001  # the documented way to one's caller
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        whose = is_foreign(module)
        if whose is not None:
            return (module, frame.f_code, frame.f_lineno) if whose else None
        frame = frame.f_back
    return None

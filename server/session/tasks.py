"""The tasks of a session, which end with it: one that fails costs what it served, and not the call."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from anyio.abc import TaskGroup

from server.turntaking.floor import ImpossibleEvent

log = logging.getLogger(__name__)


async def contained(session_id: str, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Do the work; if it fails, which is a bug, say so in the log and let the session go on. Cancel-safe.

    Raises ImpossibleEvent, which only a session under test lets through.
    """
    try:
        await work(*arguments)
    except ImpossibleEvent:
        raise
    except Exception:
        name = getattr(work, "__qualname__", repr(work))
        log.exception("%s failed, and what it served with it", name, extra={"session": session_id})


class SessionTasks:
    """The task group of one session, for whoever starts a task in it. Plain calls."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._group: TaskGroup | None = None
        self._is_over = False

    def open(self, group: TaskGroup) -> None:
        """The session has begun; its tasks run in this group."""
        self._group = group
        if self._is_over:
            group.cancel_scope.cancel()

    def start(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Start what serves the session; should it fail, the session goes on."""
        self.start_vital(contained, self._session_id, work, *arguments)

    def start_vital(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Start what the session cannot be without: should it fail, the session ends."""
        assert self._group is not None, "a session that runs has a task group"
        self._group.start_soon(work, *arguments)

    def cancel(self) -> None:
        """End all of them, and those that are started later."""
        self._is_over = True
        if self._group is not None:
            self._group.cancel_scope.cancel()

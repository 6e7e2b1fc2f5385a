"""The tasks of a session, which end with it: one that fails costs what it served, and not the call."""

import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context

from anyio.abc import TaskGroup

from server.domain.session_parts import TaskWork
from server.turntaking.floor import ImpossibleEvent

log = logging.getLogger(__name__)

_SESSION_ID: ContextVar[str] = ContextVar("session whose task this is", default="")


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
        self._context = copy_context()
        """In which the session runs."""
        self._is_over = False

    def open(self, group: TaskGroup) -> None:
        """The session has begun, in this task; its tasks run in this group, and in the session's name."""
        self._group = group
        _SESSION_ID.set(self._session_id)
        self._context = copy_context()
        if self._is_over:
            group.cancel_scope.cancel()

    def start(self, work: TaskWork, *arguments: object) -> None:
        """Start what serves the session; should it fail, the session goes on."""
        self.start_vital(contained, self._session_id, work, *arguments)

    def start_vital(self, work: TaskWork, *arguments: object) -> None:
        """Start what the session cannot be without: should it fail, the session ends."""
        assert self._group is not None, "a session that runs has a task group"
        if _SESSION_ID.get() == self._session_id:
            self._group.start_soon(work, *arguments)
        else:  # by what a provider says over a socket that was there before the session
            self._context.copy().run(self._group.start_soon, work, *arguments)

    def cancel(self) -> None:
        """End all of them, and those that are started later."""
        self._is_over = True
        if self._group is not None:
            self._group.cancel_scope.cancel()

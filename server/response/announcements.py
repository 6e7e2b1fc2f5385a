"""What the server says of its own accord: apologies and reminders, one after the other, while nobody speaks."""

from collections import deque
from collections.abc import Callable

import anyio

from server.domain.errors import ClientError, Fault
from server.domain.session_parts import Tasks
from server.turntaking.inbox import FloorInbox

MAX_REMINDERS = 20
"""Reminders that one session may have waiting."""


class Announcements:
    """Texts that wait to be said."""

    def __init__(self, inbox: FloorInbox, tasks: Tasks) -> None:
        self._inbox = inbox
        self._tasks = tasks
        self._texts: deque[str] = deque()
        self._reminders = 0

    def __bool__(self) -> bool:
        return bool(self._texts)

    @property
    def waiting(self) -> tuple[str, ...]:
        """What is still to be said, the next first."""
        return tuple(self._texts)

    def add(self, text: str) -> None:
        """Say `text` as soon as nobody speaks."""
        self._texts.append(text)
        self._inbox.look_again()

    def next(self) -> str:
        """The text whose turn it is."""
        return self._texts.popleft()

    def remind(self, delay_s: float, text: str) -> Callable[[], None]:
        """Say `text` in `delay_s` seconds, or as soon as nobody speaks after that. Returns what takes it back.

        Raises ClientError when too many are waiting.
        """
        if self._reminders >= MAX_REMINDERS:
            raise ClientError(Fault.RATE_LIMIT, f"at most {MAX_REMINDERS} reminders can be waiting")
        self._reminders += 1
        scope = anyio.CancelScope()
        self._tasks.start_vital(self._add_later, scope, delay_s, text)
        return scope.cancel

    async def _add_later(self, scope: anyio.CancelScope, delay_s: float, text: str) -> None:
        with scope:
            await anyio.sleep(delay_s)
        self._reminders -= 1
        if not scope.cancelled_caught:
            self.add(text)

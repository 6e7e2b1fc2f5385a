"""What the parts of a session are given of it, wherever they live: who takes events for the client, who runs tasks."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from server.domain.events import Event

TaskWork = Callable[..., Coroutine[Any, Any, None]]
"""What a task of a session does."""


class ClientEvents(Protocol):
    """Takes what the client is told, in its order."""

    def put(self, event: Event) -> None:
        """Tell the client. A plain call: it leaves when it is its turn."""


class Tasks(Protocol):
    """Runs tasks that end with the session at the latest. Plain calls."""

    def start(self, work: TaskWork, *arguments: object) -> None:
        """Start what serves the session; should it fail, the session goes on."""

    def start_vital(self, work: TaskWork, *arguments: object) -> None:
        """Start what the session cannot be without: should it fail, the session ends."""

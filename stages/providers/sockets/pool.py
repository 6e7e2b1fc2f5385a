"""The sockets of one session at one service: as many as there are utterances at once, and one more that is warm.

A socket of most services serves one utterance (or a few) at a time, and is of no use for a moment after one was
cancelled. So an utterance takes a line that has room, else another is opened.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup

from stages.errors import ProviderBusy
from stages.providers.sockets.connection import ProviderSocket


class PooledLine(Protocol):
    """A socket with its wire."""

    @property
    def socket(self) -> ProviderSocket:
        """Its connection."""

    @property
    def has_room(self) -> bool:
        """Whether another utterance may begin on it."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is going on, so that it may be closed."""


L = TypeVar("L", bound=PooledLine)


class SocketPool(Generic[L]):
    """Lines by a key: what is fixed when connecting, such as the language. `group` owns their tasks."""

    def __init__(self, service: str, group: TaskGroup, make: Callable[[str], L], *, limit: int = 4) -> None:
        self._service = service
        self._group = group
        self._make = make
        self._limit = limit
        self._lines: list[tuple[str, L, anyio.CancelScope]] = []

    def take(self, key: str = "") -> L:
        """A line of this key with room; begins to connect if there is none. Raises ProviderBusy at the limit."""
        fitting = [line for has, line, _ in self._lines if has == key and line.has_room]
        # One that is connected goes before one that is not, and keeps the other from being needed.
        fitting.sort(key=lambda line: line.socket.state.value != "open")
        if fitting:
            return fitting[0]
        self._trim()
        if len(self._lines) >= self._limit:
            raise ProviderBusy(f"{self._service}: {self._limit} connections of the session are in use")
        return self._add(key)

    def _trim(self) -> None:
        """Close what is idle beyond one line, when there is no room for another."""
        for entry in [entry for entry in self._lines if entry[1].is_idle]:
            if len(self._lines) < self._limit:
                return
            self._lines.remove(entry)
            entry[2].cancel()

    def _add(self, key: str) -> L:
        line, scope = self._make(key), anyio.CancelScope()
        self._lines.append((key, line, scope))

        async def run() -> None:
            with scope:
                await line.socket.run()

        self._group.start_soon(run)
        return line

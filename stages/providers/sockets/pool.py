"""The sockets of one session at one service: as many as there are utterances at once, and what is warm besides.

A socket of most services serves one utterance (or a few) at a time, and is of no use for a moment after one was
cancelled. So an utterance takes a line that has room, else another is opened.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup

from stages.errors import ProviderBusy
from stages.providers.sockets.connection import ProviderSocket, SocketState
from stages.providers.sockets.endpoint import Endpoint

LIMIT = 4
"""Connections of one session: more overlap than a conversation has, and less than services allow an account."""


class PooledLine(Protocol):
    """A socket with its wire."""

    socket: ProviderSocket

    @property
    def has_room(self) -> bool:
        """Whether another utterance may begin on it."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is going on, so that it may be closed."""


L = TypeVar("L", bound=PooledLine)


class SocketPool(Generic[L]):
    """Lines by what is fixed when connecting: the endpoint's URL. `group` owns their tasks."""

    def __init__(self, service: str, group: TaskGroup, make: Callable[[Endpoint], L]) -> None:
        self._service = service
        self._group = group
        self._make = make
        self._lines: list[tuple[L, anyio.CancelScope]] = []

    def take(self, endpoint: Endpoint) -> L:
        """A line to this endpoint with room; begins to connect if there is none. Raises ProviderBusy at the limit."""
        fitting = [
            line for line, _ in self._lines if line.socket.endpoint.is_like(endpoint) and line.has_room
        ]
        if fitting:
            return min(fitting, key=lambda line: line.socket.state is not SocketState.OPEN)
        self._trim(endpoint)
        if len(self._lines) >= LIMIT:
            raise ProviderBusy(f"{self._service}: all {LIMIT} connections of the session are in use")
        return self._add(endpoint)

    def keep_spare(self, endpoint: Endpoint) -> None:
        """Have a line with room besides those in use, if there is room for one."""
        has_spare = any(
            line.socket.endpoint.is_like(endpoint) and line.has_room and line.is_idle
            for line, _ in self._lines
        )
        if not has_spare and len(self._lines) < LIMIT:
            self._add(endpoint)

    def _trim(self, endpoint: Endpoint) -> None:
        """Close what is idle: lines elsewhere, which another language or voice has left, and one if all are taken."""
        for line, scope in list(self._lines):
            is_elsewhere = not line.socket.endpoint.is_like(endpoint)
            if line.is_idle and (is_elsewhere or len(self._lines) >= LIMIT):
                self._lines.remove((line, scope))
                scope.cancel()

    def _add(self, endpoint: Endpoint) -> L:
        line, scope = self._make(endpoint), anyio.CancelScope()
        self._lines.append((line, scope))

        async def run() -> None:
            with scope:
                await line.socket.run()

        self._group.start_soon(run)
        return line


@asynccontextmanager
async def session_pool(service: str, make: Callable[[Endpoint], L]) -> AsyncIterator[SocketPool[L]]:
    """A pool for as long as the block lasts; leaving closes its sockets. An error of the block leaves it alone."""
    try:
        async with anyio.create_task_group() as tasks:
            yield SocketPool(service, tasks, make)
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as several:
        # The block's, or what should not happen in a socket; the others are a consequence.
        raise several.exceptions[0] from None

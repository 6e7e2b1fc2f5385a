"""Stands between client and server as a network that can be slow, late, stuck or cut, or die: what is sent then is
swallowed in silence."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream

GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)
"""One side is."""


class Line:
    """Where clients connect, and what becomes of what they say."""

    def __init__(self, port: int, server_port: int) -> None:
        self.port = port
        self.server_port = server_port
        """Where connections lead that are made from now on."""
        self._died = anyio.Event()
        """Of the connections that there are now; those made after `die` have another one."""
        self._flows = anyio.Event()
        """Unset while the network holds everything up."""
        self._flows.set()
        self._scopes: set[anyio.CancelScope] = set()
        """Of the connections that there are."""
        self.bytes_per_s: float | None = None
        """How much it carries in each direction; None: as much as comes."""
        self.delay_s = 0.0
        """How long each byte is on its way."""

    def die(self) -> None:
        """Swallow everything on the connections that there are, for ever."""
        self._died.set()
        self._died = anyio.Event()

    def stall(self) -> None:
        """Hold everything up on all connections, new ones included, and lose none of it."""
        self._flows = anyio.Event()

    def flow(self) -> None:
        """Let go what was held up."""
        self._flows.set()

    def cut(self) -> None:
        """Break all connections that there are, as a router that starts anew."""
        for scope in self._scopes:
            scope.cancel()

    async def carry(self, client: SocketStream) -> None:
        """Pass one connection on while the line lives, then keep it open in silence until its client leaves."""
        died = self._died
        async with client, await anyio.connect_tcp("127.0.0.1", self.server_port) as server:
            async with anyio.create_task_group() as tasks:
                self._scopes.add(tasks.cancel_scope)
                try:
                    tasks.start_soon(self._copy, client, server, died)
                    await self._copy(server, client, died)
                finally:
                    self._scopes.discard(tasks.cancel_scope)
            if tasks.cancel_scope.cancelled_caught:
                for end in (server, client):
                    await anyio.aclose_forcefully(end)

    async def _copy(self, source: SocketStream, sink: SocketStream, died: anyio.Event) -> None:
        waiting: deque[tuple[float, bytes | None]] = deque()
        """What is on its way, and when it is there; None: the end."""
        comes = anyio.Event()

        async def receive() -> None:
            nonlocal comes
            with suppress(*GONE):
                async for data in source:
                    if self.bytes_per_s is not None:
                        await anyio.sleep(len(data) / self.bytes_per_s)
                    waiting.append((anyio.current_time() + self.delay_s, data))
                    comes.set()
            waiting.append((anyio.current_time() + self.delay_s, None))
            comes.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            is_open = True
            while is_open:
                await comes.wait()
                comes = anyio.Event()
                while waiting and is_open:
                    at_s, data = waiting.popleft()
                    await anyio.sleep_until(at_s)
                    await self._flows.wait()
                    is_open = data is not None
                    if not died.is_set():
                        await _pass_on(data, sink)


async def _pass_on(data: bytes | None, sink: SocketStream) -> None:
    with suppress(*GONE):
        await (sink.send_eof() if data is None else sink.send(data))


@asynccontextmanager
async def dead_line(server_port: int) -> AsyncIterator[Line]:
    """Listen on a free port, and pass every connection on to the server's until `die`."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        line = Line(listener.extra(SocketAttribute.local_port), server_port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, line.carry)
            yield line
            tasks.cancel_scope.cancel()

"""Stands between client and server as a network that can be slow, or die: what is sent then is swallowed in silence."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketAttribute, SocketStream


class Line:
    """Where clients connect, and what becomes of what they say."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._died = anyio.Event()
        """Of the connections that there are now; those made after `die` have another one."""
        self.bytes_per_s: float | None = None
        """How much it carries in each direction; None: as much as comes."""

    def die(self) -> None:
        """Swallow everything on the connections that there are, for ever."""
        self._died.set()
        self._died = anyio.Event()

    async def carry(self, client: SocketStream, server_port: int) -> None:
        """Pass one connection on while the line lives, then keep it open in silence until its client leaves."""
        died = self._died
        async with client, await anyio.connect_tcp("127.0.0.1", server_port) as server:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._copy, client, server, died)
                tasks.start_soon(self._copy, server, client, died)

    async def _copy(self, source: SocketStream, sink: SocketStream, died: anyio.Event) -> None:
        try:
            async for data in source:
                if self.bytes_per_s is not None:
                    await anyio.sleep(len(data) / self.bytes_per_s)
                if not died.is_set():
                    await sink.send(data)
            if not died.is_set():
                await sink.send_eof()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass  # one side is gone


@asynccontextmanager
async def dead_line(server_port: int) -> AsyncIterator[Line]:
    """Listen on a free port, and pass every connection on to the server's until `die`."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        line = Line(listener.extra(SocketAttribute.local_port))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, lambda client: line.carry(client, server_port))
            yield line
            tasks.cancel_scope.cancel()

"""A proxy of TCP that loses the line: after so many bytes, in one direction or the other, loudly or without a sign."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import anyio
from anyio.abc import SocketAttribute, SocketStream

CHUNK_BYTES = 4096

How = Literal["reset", "end", "silent"]


@dataclass(frozen=True, slots=True)
class Cut:
    """What becomes of one connection."""

    direction: Literal["up", "down"]
    """Whose bytes are counted: the client's, or the server's."""
    after_bytes: int
    how: How
    """`reset` and `end` close both sockets; `silent` leaves them open, and nothing comes through any more."""


class CuttingProxy:
    """Counts what it has done."""

    def __init__(self, port: int, next_cut: Callable[[], Cut | None]) -> None:
        """`next_cut` is asked for each connection."""
        self.port = 0
        self.cuts = 0
        self._server_port = port
        self._next_cut = next_cut

    async def serve(self, client: SocketStream) -> None:
        """One connection."""
        cut = self._next_cut()
        async with client, await anyio.connect_tcp("127.0.0.1", self._server_port) as server:
            is_cut = False
            async with anyio.create_task_group() as tasks:

                async def pump(source: SocketStream, target: SocketStream, left: int | None) -> None:
                    nonlocal is_cut
                    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                        while left is None or left > 0:
                            data = await source.receive(
                                CHUNK_BYTES if left is None else min(left, CHUNK_BYTES)
                            )
                            await target.send(data)
                            left = None if left is None else left - len(data)
                    is_cut = left == 0
                    tasks.cancel_scope.cancel()

                counted = {cut.direction: cut.after_bytes} if cut is not None else {}
                tasks.start_soon(pump, client, server, counted.get("up"))
                tasks.start_soon(pump, server, client, counted.get("down"))
            if is_cut and cut is not None:
                self.cuts += 1
                if cut.how == "silent":
                    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                        while True:  # until the client gives up: what it says is thrown away
                            await client.receive()
                if cut.how == "reset":
                    await anyio.aclose_forcefully(server)
                    await anyio.aclose_forcefully(client)


@asynccontextmanager
async def cutting_proxy(port: int, next_cut: Callable[[], Cut | None]) -> AsyncIterator[CuttingProxy]:
    """A proxy before a port of this machine, on a free one."""
    proxy = CuttingProxy(port, next_cut)
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        proxy.port = listener.extra(SocketAttribute.local_port)
        tasks.start_soon(listener.serve, proxy.serve)
        yield proxy
        tasks.cancel_scope.cancel()

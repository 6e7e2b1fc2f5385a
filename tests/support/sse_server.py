"""A small real HTTP server that streams server-sent events, as cut up or broken as a test wants them."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

Ending = Literal["done", "no-done", "break-off", "hang"]


@dataclass(frozen=True)
class Reply:
    """One answer. `events` are JSON objects, or text to be sent as it is; `ending` says what comes then."""

    events: Sequence[Mapping[str, object] | str] = ()
    ending: Ending = "done"
    status: int = 200
    body: Mapping[str, object] | None = None
    """A plain JSON answer instead of a stream."""
    cut_bytes: int | None = None
    """Send the stream in pieces of so many bytes, wherever that cuts."""


@dataclass
class SseServer:
    """What the test asks and is told. Replies are given in order, the last one again and again."""

    replies: Sequence[Reply]
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of the requests so far."""
    headers: list[dict[str, str]] = field(default_factory=list)
    hung_up: anyio.Event = field(default_factory=anyio.Event)
    """Set when a client closes its connection while it is being answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        """One connection, with as many requests as the client cares to send."""
        async with stream:
            received = BufferedByteReceiveStream(stream)
            try:
                while True:
                    await self._receive(received)
                    reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
                    if not await self._answer(stream, reply):
                        return
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                self.hung_up.set()

    async def _receive(self, stream: BufferedByteReceiveStream) -> None:
        head = (await stream.receive_until(b"\r\n\r\n", 65536)).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        body = await stream.receive_exactly(int(headers.get("content-length", 0)))
        self.headers.append(headers)
        self.requests.append(json.loads(body) if body else {})

    async def _answer(self, stream: anyio.abc.SocketStream, reply: Reply) -> bool:
        """Whether the connection can be used again."""
        if reply.body is not None:
            content = json.dumps(reply.body).encode()
            head = f"HTTP/1.1 {reply.status} X\r\nContent-Type: application/json\r\n"
            await stream.send(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            return True
        await stream.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        content = "".join(f"data: {_text(event)}\n\n" for event in reply.events).encode()
        if reply.ending == "done":
            content += b"data: [DONE]\n\n"
        size = reply.cut_bytes or max(len(content), 1)
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            await stream.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await anyio.lowlevel.checkpoint()
        if reply.ending == "hang":
            await self._wait_for_hang_up(stream)
        if reply.ending in ("hang", "break-off"):
            return False
        await stream.send(b"0\r\n\r\n")
        return True

    async def _wait_for_hang_up(self, stream: anyio.abc.SocketStream) -> None:
        try:
            await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.hung_up.set()


def _text(event: Mapping[str, object] | str) -> str:
    return event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)


@asynccontextmanager
async def sse_server(*replies: Reply) -> AsyncIterator[SseServer]:
    """A server on a free port of this machine, until the block ends."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        server = SseServer(replies, listener.extra(anyio.abc.SocketAttribute.local_port))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, server.handle)
            yield server
            tasks.cancel_scope.cancel()

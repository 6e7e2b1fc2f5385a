"""Serves a fake of a service that is asked over plain HTTP, on a free port, and does wrong what `Faults` say.

Of the faults, `refuse_status`, `silent`, `cut_after`, `garbage_after`, `zero_audio`, `piece_bytes` and `delay_s` apply;
a "message of the service" is a piece of a streamed body, and a "connection" is a request.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Protocol

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from stages.testing.servers.faults import NONE, Faults
from stages.testing.servers.line import GARBAGE

_MOST_HEAD_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. The names of headers are in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """Its JSON; raises ValueError if it is none."""
        return json.loads(self.body)

    def parts(self) -> Iterable[tuple[str, str | None, bytes]]:
        """Name, file name and content of each part of a form."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        for part in BytesParser(policy=HTTP).parsebytes(head + self.body).iter_parts():
            content = part.get_payload(decode=True)
            name = part.get_param("name", header="content-disposition")
            yield str(name), part.get_filename(), content if isinstance(content, bytes) else b""


@dataclass(frozen=True, slots=True)
class Answered:
    """A response. Bytes are sent with their length, pieces as they come, each as a chunk of its own."""

    body: bytes | Iterable[bytes | float]
    """A number among the pieces is a pause in seconds."""
    content_type: str = "application/json"
    status: int = 200
    has_end: bool = True
    """Whether a streamed body is ended as the protocol wants it; if not, the line is closed instead."""

    @classmethod
    def of(cls, data: object, status: int = 200) -> "Answered":
        """An answer of JSON."""
        return cls(json.dumps(data).encode(), status=status)


class HttpService(Protocol):
    """What a fake knows of one service."""

    def answer(self, asked: Asked, faults: Faults) -> Answered:
        """The response as the service would give it. May raise Complaint."""


class Complaint(Exception):
    """The client asked what the service does not stand; the test fails when the server is left."""


@dataclass
class FakeHttpServer:
    """A service that is being served."""

    service: HttpService
    url: str = ""
    faults: Faults = NONE
    """May be changed; requests that are made then have the new ones."""
    asked: list[Asked] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    open_connections: int = 0
    connections: int = 0
    """How many there have been."""
    answered: int = 0
    """How many requests have been answered to the end."""
    changed: anyio.Event = field(default_factory=anyio.Event, repr=False)
    """Set, and made anew, with every request and every answer."""
    hung_up: anyio.Event = field(default_factory=anyio.Event)
    """Set when a client leaves before it has been answered."""

    async def until(self, condition: Callable[["FakeHttpServer"], bool]) -> None:
        """Wait until something has happened; the caller has the deadline."""
        while not condition(self):
            await self.changed.wait()

    async def left_alone(self) -> None:
        """Wait until no client is connected."""
        await self.until(lambda server: not server.open_connections)

    def _tell_change(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        """One connection, with as many requests as the client cares to send."""
        self.open_connections += 1
        self.connections += 1
        try:
            async with stream:
                received = BufferedByteReceiveStream(stream)
                while await self._serve(stream, received):
                    pass
        except (anyio.EndOfStream, anyio.IncompleteRead):
            return
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self.hung_up.set()
        finally:
            self.open_connections -= 1
            self._tell_change()

    async def _serve(self, stream: anyio.abc.SocketStream, received: BufferedByteReceiveStream) -> bool:
        """One request; whether the connection can be used again."""
        asked = await _request(received)
        number = len(self.asked)
        self.asked.append(asked)
        self._tell_change()
        faults = self.faults
        if faults.connections is not None and number >= faults.connections:
            faults = NONE
        if faults.silent:
            await self._wait_for_hang_up(stream)
            return False
        if faults.refuse_status is not None:
            await self._refuse(stream, faults)
            return True
        try:
            answered = self.service.answer(asked, faults)
        except Complaint as complaint:
            self.complaints.append(str(complaint))
            answered = Answered.of({"error": {"message": str(complaint)}}, 400)
        is_reusable = await self._send(stream, answered, faults)
        self.answered += 1
        self._tell_change()
        return is_reusable

    async def _refuse(self, stream: anyio.abc.SocketStream, faults: Faults) -> None:
        body = json.dumps({"error": {"message": "refused on order", "code": None}}).encode()
        wait = f"Retry-After: {faults.retry_after_s}\r\n" if faults.retry_after_s is not None else ""
        head = f"HTTP/1.1 {faults.refuse_status} X\r\nContent-Type: application/json\r\n{wait}"
        await stream.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def _send(self, stream: anyio.abc.SocketStream, answered: Answered, faults: Faults) -> bool:
        head = f"HTTP/1.1 {answered.status} X\r\nContent-Type: {answered.content_type}\r\n"
        if isinstance(answered.body, bytes):
            if faults.delay_s:
                await anyio.sleep(faults.delay_s)
            if faults.cut_after is not None:
                await stream.send(f"{head}Content-Length: {len(answered.body)}\r\n\r\n".encode())
                return False
            body = GARBAGE.encode() if faults.garbage_after is not None else answered.body
            await stream.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            return True
        await stream.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        for piece in answered.body:
            if isinstance(piece, float):
                await self._pause(stream, piece)
                continue
            if faults.cut_after is not None and sent >= faults.cut_after:
                return False
            if faults.delay_s:
                await anyio.sleep(faults.delay_s)
            is_garbled = faults.garbage_after is not None and sent >= faults.garbage_after
            data = f"data: {GARBAGE}\n\n".encode() if is_garbled else piece
            await stream.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            sent += 1
        if answered.has_end:
            await stream.send(b"0\r\n\r\n")
        return answered.has_end

    async def _pause(self, stream: anyio.abc.SocketStream, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._wait_for_hang_up(stream)
            raise anyio.BrokenResourceError

    async def _wait_for_hang_up(self, stream: anyio.abc.SocketStream) -> None:
        try:
            await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.hung_up.set()


async def _request(received: BufferedByteReceiveStream) -> Asked:
    head = (await received.receive_until(b"\r\n\r\n", _MOST_HEAD_BYTES)).decode()
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await received.receive_until(b"\r\n", 20), 16):
            body += await received.receive_exactly(size)
            await received.receive_exactly(2)
        await received.receive_exactly(2)
    else:
        body = await received.receive_exactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, body)


@asynccontextmanager
async def serving_http(service: HttpService, faults: Faults = NONE) -> AsyncIterator[FakeHttpServer]:
    """The service on a free port of this machine, until the block ends. `url` has no path.

    Raises AssertionError at the end with everything that the service would not have stood.
    """
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        server = FakeHttpServer(service, f"http://127.0.0.1:{port}", replace(faults))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, server.handle)
            yield server
            tasks.cancel_scope.cancel()
    if server.complaints:
        raise AssertionError("the client does not speak the protocol:\n" + "\n".join(server.complaints))

"""One connection to a Wyoming server, for one utterance: many servers close it afterwards.

The package's own functions write and read the events; what carries them is a stream that is closed at once, so that
whoever is cancelled leaves nothing behind.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import BaseModel, ConfigDict, Field, field_validator
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event

from stages.errors import ErrorKind, ProviderError
from stages.providers.sockets.faults import fault

NAME = "wyoming"

_LINE_BYTES = 1 << 20


class WyomingSettings(BaseModel):
    """Where a Wyoming server is."""

    model_config = ConfigDict(extra="forbid")

    uri: str = Field(description="such as tcp://localhost:10300, or unix:///run/piper.sock")
    connect_s: float = Field(5.0, gt=0, le=60)

    @field_validator("uri")
    @classmethod
    def _is_place(cls, uri: str) -> str:
        parts = urlsplit(uri)
        if (parts.scheme == "tcp" and parts.hostname and parts.port) or (
            parts.scheme == "unix" and parts.path
        ):
            return uri
        raise ValueError("is no place: write tcp://HOST:PORT or unix:///PATH")


class EventPipe:
    """A stream of bytes with what the package reads from and writes to."""

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self._stream = stream
        self._received = BufferedByteReceiveStream(stream)
        self._waiting = bytearray()
        self.is_at_end = False
        """Whether the other side has closed it between two events."""

    async def readline(self) -> bytes:
        """A line with its end; nothing at the end of the stream."""
        try:
            return await self._received.receive_until(b"\n", _LINE_BYTES) + b"\n"
        except (anyio.EndOfStream, anyio.IncompleteRead):
            self.is_at_end = True
            return b""

    async def readexactly(self, size: int) -> bytes:
        """Read so many bytes."""
        return await self._received.receive_exactly(size)

    def write(self, data: bytes) -> None:
        """Goes out with the next `drain`."""
        self._waiting += data

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """The same, for several."""
        self._waiting += b"".join(pieces)

    async def drain(self) -> None:
        """Send what waits."""
        data, self._waiting = bytes(self._waiting), bytearray()
        await self._stream.send(data)

    async def send(self, event: Event) -> None:
        """Send an event."""
        pipe: Any = self  # has what the package needs of a StreamWriter
        await async_write_event(event, pipe)

    async def receive(self) -> Event | None:
        """The next event; None where there is none, or what came is none."""
        pipe: Any = self
        return await async_read_event(pipe)


class WyomingConnection:
    """A connection as an adapter sees it."""

    def __init__(self, pipe: EventPipe) -> None:
        self._pipe = pipe

    async def send(self, event: Event) -> None:
        """Send an event."""
        await self._pipe.send(event)

    async def receive(self) -> Event:
        """The next event. Raises ProviderError where the server says that it failed, leaves, or makes no sense."""
        event = await self._pipe.receive()
        if event is None and self._pipe.is_at_end:
            raise fault(NAME, ErrorKind.NETWORK, "it left before it had answered")
        if event is None:
            raise fault(NAME, ErrorKind.PROTOCOL, "no event")
        if Error.is_type(event.type):
            said = Error.from_event(event)
            raise fault(NAME, ErrorKind.SERVER, f"{said.text} ({said.code})" if said.code else said.text)
        return event


@asynccontextmanager
async def connected(settings: WyomingSettings) -> AsyncGenerator[WyomingConnection, None]:
    """A connection for as long as the block lasts. Errors of the line become ProviderErrors."""
    stream = await _connect(settings)
    try:
        yield WyomingConnection(EventPipe(stream))
    except ProviderError:
        raise
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.IncompleteRead, OSError) as error:
        raise fault(NAME, ErrorKind.NETWORK, type(error).__name__) from error
    except (LookupError, TypeError, ValueError, AttributeError, anyio.DelimiterNotFound) as error:
        # A field that is missing or of another type: a stranger's message, not a fault of ours.
        raise fault(NAME, ErrorKind.PROTOCOL, type(error).__name__) from error
    finally:
        with anyio.CancelScope(shield=True):  # takes a turn of the loop, and no longer
            await stream.aclose()


async def _connect(settings: WyomingSettings) -> anyio.abc.ByteStream:
    parts = urlsplit(settings.uri)
    try:
        with anyio.fail_after(settings.connect_s):
            if parts.scheme == "unix":
                return await anyio.connect_unix(parts.path)
            return await anyio.connect_tcp(parts.hostname or "", parts.port or 0)
    except TimeoutError:
        raise fault(NAME, ErrorKind.TIMEOUT, f"no connection in {settings.connect_s:g} s") from None
    except OSError as error:
        raise fault(NAME, ErrorKind.NETWORK, f"{settings.uri}: {error}") from error

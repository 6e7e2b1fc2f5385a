"""What a fake service has before it: all that went over the wire, and one connection, on which `Faults` are played."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from anyio.abc import TaskGroup
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from stages.testing.servers.faults import NONE, Acknowledge, Faults

Message = str | bytes

GARBAGE = '\x00{"type": ["what"'


@dataclass(frozen=True, slots=True)
class Frame:
    """One message on the wire."""

    at_s: float
    """The loop's time."""
    connection: int
    """The first one has 0."""
    is_clients: bool
    message: Message

    @property
    def data(self) -> Any:
        """Its JSON; None if it is none."""
        try:
            return json.loads(self.message) if isinstance(self.message, str) else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Opening:
    """A handshake: the path, what the query says (each key with all its values) and the headers in small letters."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]

    def one(self, key: str, default: str = "") -> str:
        """A value of the query that stands there once."""
        return self.query.get(key, [default])[0]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake is refused."""

    status: int
    text: str = ""


@dataclass
class FakeServer:
    """A service that is being served."""

    url: str = ""
    faults: Faults = NONE
    """May be changed; connections that are made then have the new ones."""
    frames: list[Frame] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    open_connections: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event, repr=False)
    """Set, and made anew, with every message and at the end of every connection."""

    def tell_change(self) -> None:
        """Wake up whoever waits for something to happen."""
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, condition: Callable[["FakeServer"], bool]) -> None:
        """Wait until something has happened on the wire; the caller has the deadline."""
        while not condition(self):
            await self.changed.wait()

    async def left_alone(self) -> None:
        """Wait until no client is connected."""
        await self.until(lambda server: not server.open_connections)

    def sent(self, connection: int | None = None) -> list[Frame]:
        """What the clients sent, in order."""
        return [frame for frame in self.frames if frame.is_clients and connection in (None, frame.connection)]

    def faults_of(self, connection: int) -> Faults:
        """What goes wrong on this connection."""
        hit = self.faults.connections is None or connection < self.faults.connections
        return self.faults if hit else replace(NONE, connections=0)


class Line:
    """One connection, seen from the service. What is told to the client goes through the faults."""

    def __init__(
        self,
        server: FakeServer,
        number: int,
        connection: ServerConnection,
        opening: Opening,
        tasks: TaskGroup,
    ) -> None:
        self.opening = opening
        self.faults = server.faults_of(number)
        self.tasks = tasks
        """For what goes on beside the reading."""
        self.audio_bytes = 0
        """How much binary the client has sent."""
        self._server = server
        self._number = number
        self._connection = connection
        self._told = 0

    async def messages(
        self, idle_s: float | None = None, idle_close: tuple[int, str] = (1011, "idle")
    ) -> AsyncIterator[Message]:
        """What the client sends, until it leaves, or sends nothing for `idle_s` and is closed for that."""
        while True:
            message: Message | None = None
            try:
                with anyio.move_on_after(idle_s):
                    message = await self._connection.recv()
            except ConnectionClosed:
                return
            if message is None:
                await self.close(*idle_close)
                return
            self._record(message, is_clients=True)
            if isinstance(message, bytes):
                self.audio_bytes += len(message)
            yield message

    async def tell(self, message: Mapping[str, Any] | Message) -> None:
        """Say something: a mapping as JSON, bytes as they are."""
        faults = self.faults
        if faults.silent:
            return
        if faults.delay_s:
            await anyio.sleep(faults.delay_s)
        if faults.cut_after is not None and self._told >= faults.cut_after:
            await self.cut(faults.cut_code)
            return
        if faults.garbage_after is not None and self._told >= faults.garbage_after:
            message = GARBAGE
        self._told += 1
        raw = message if isinstance(message, str | bytes) else json.dumps(message)
        self._record(raw, is_clients=False)
        with suppress(ConnectionClosed):
            await self._connection.send(raw)

    async def acknowledge(self, message: Mapping[str, Any] | str) -> None:
        """Answer a finalise, a flush or a cancel, as well as the faults let it."""
        match self.faults.acknowledge:
            case Acknowledge.PROMPTLY:
                await self.tell(message)
            case Acknowledge.LATE:
                self.tasks.start_soon(self._later, message)
            case Acknowledge.TWICE:
                await self.tell(message)
                await self.tell(message)
            case Acknowledge.NEVER:
                pass

    async def _later(self, message: Mapping[str, Any] | str) -> None:
        await anyio.sleep(self.faults.late_s)
        await self.tell(message)

    def pieces(self, pcm: bytes, usual_bytes: int = 9600) -> Iterator[bytes]:
        """Audio as it is cut on its way; none with `zero_audio`."""
        if self.faults.zero_audio:
            return
        size, cut = self.faults.piece_bytes or usual_bytes, len(pcm)
        if size == 1:
            cut = 400
            yield from (pcm[at : at + 1] for at in range(min(cut, len(pcm))))
            pcm, size = pcm[cut:], usual_bytes
        yield from (pcm[at : at + size] for at in range(0, len(pcm), size))

    def complain(self, what: str) -> None:
        """The client did what the service would not stand."""
        self._server.complaints.append(f"connection {self._number}: {what}")
        self._server.tell_change()

    def fields(
        self,
        message: Mapping[str, Any],
        required: Mapping[str, type],
        optional: Mapping[str, type] | None = None,
    ) -> bool:
        """Whether the message has the required fields and no other than those; complains if not."""
        known = {**required, **(optional or {})}
        wrong = [f"unknown field {name!r}" for name in message if name not in known]
        wrong += [f"no {name!r}" for name in required if name not in message]
        wrong += [
            f"{name!r} is not {known[name].__name__}"
            for name, value in message.items()
            if name in known and not isinstance(value, known[name])
        ]
        for fault in wrong:
            self.complain(f"{fault} in {json.dumps(message)[:200]}")
        return not wrong

    async def cut(self, code: int | None) -> None:
        """Close with this code, or reset the line."""
        if code is None:
            self._connection.transport.abort()
        else:
            await self._connection.close(code, "cut")

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection in the regular way."""
        await self._connection.close(code, reason)

    def _record(self, message: Message, *, is_clients: bool) -> None:
        self._server.frames.append(Frame(anyio.current_time(), self._number, is_clients, message))
        self._server.tell_change()

"""A caller's own way to the wire: what a server sends comes as the library would give it, and what it sends arrives."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode

from server.client.load.calls.caller_connection import CallerConnection, FrameMasks
from server.client.load.calls.metronome import Metronome
from server.client.load.hearing.packet_queue import PacketQueue
from server.client.load.reference.agent import tone
from server.client.load.wire import Wire

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def wire(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame as a server sends it."""
    return Frame(opcode, data, fin=fin).serialize(mask=False)


STREAM = b"".join(
    [
        wire(Opcode.TEXT, b"first"),
        wire(Opcode.BINARY, b""),
        wire(Opcode.BINARY, bytes(300)),
        wire(Opcode.PING, b"still there?"),
        wire(Opcode.TEXT, "ü".encode() * 40_000),
        wire(Opcode.TEXT, b"in ", fin=False),
        wire(Opcode.PONG, b""),
        wire(Opcode.CONT, b"two ", fin=False),
        wire(Opcode.CONT, b"parts"),
        wire(Opcode.BINARY, b"last"),
    ]
)
MESSAGES: list[Wire] = ["first", b"", bytes(300), "ü" * 40_000, "in two parts", b"last"]
GOOD_BYE = wire(Opcode.CLOSE, Close(4001, "enough").serialize())


@asynccontextmanager
async def raw_server(sent: bytes, piece: int) -> AsyncIterator[str]:
    """Shakes hands, and sends these bytes behind that in pieces of this size."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1] for line in request.split(b"\r\n") if b"sec-websocket-key" in line.lower()
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        data = answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + sent
        for at in range(0, len(data), piece):
            writer.write(data[at : at + piece])
            await asyncio.sleep(0)
        opcode = 0
        with suppress(asyncio.IncompleteReadError):
            while opcode != Opcode.CLOSE:
                first, size = await reader.readexactly(2)
                await reader.readexactly(4 + (size & 127))
                opcode = first & 15
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def hear(url: str) -> tuple[list[Wire], CallerConnection]:
    """All messages until the connection is lost."""
    connection = await connect(url, create_connection=CallerConnection, compression=None, ping_interval=None)
    assert isinstance(connection, CallerConnection)
    heard: list[Wire] = []
    lost = asyncio.Event()
    connection.listen(heard.append, lost.set)
    await lost.wait()
    return heard, connection


@pytest.mark.parametrize("piece", [1_000_000, 4_099, 61])
async def test_what_comes_in_whatever_pieces_is_given_on_as_whole_messages(piece: int) -> None:
    async with raw_server(STREAM + GOOD_BYE, piece) as url:
        heard, connection = await hear(url)
    assert heard == MESSAGES
    assert (connection.close_code, connection.close_reason) == (4001, "enough")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (wire(Opcode.TEXT, b"\xff"), 1007),
        (Frame(Opcode.BINARY, b"masked").serialize(mask=True), 1002),
        (wire(Opcode.CONT, b"of nothing"), 1002),
        (b"\x82\x7f" + (1 << 40).to_bytes(8, "big"), 1009),
    ],
    ids=["no UTF-8", "masked", "goes on with nothing", "too large"],
)
async def test_what_no_server_may_send_ends_the_connection_with_its_code(wrong: bytes, code: int) -> None:
    async with raw_server(wire(Opcode.TEXT, b"first") + wrong, 1_000_000) as url:
        heard, connection = await hear(url)
    assert heard == ["first"]
    assert connection.protocol.close_sent is not None
    assert connection.protocol.close_sent.code == code


async def test_frames_that_were_masked_beforehand_arrive_as_they_were() -> None:
    got: list[Wire] = []

    async def hold(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for message in connection:
                got.append(message)

    messages: list[tuple[bytes, Wire]] = [
        (b"", "text"),
        (bytes(range(12)), b"audio" * 10),
        (bytes(reversed(range(12))), b"audio" * 10),
        (b"head", bytes(70_000)),
        (b"", b"7 bytes"),
    ]
    async with serve(hold, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        masks = FrameMasks()
        async with connect(url, create_connection=CallerConnection, compression=None) as connection:
            assert isinstance(connection, CallerConnection)
            for header, prepared in messages:
                connection.send_masked(masks.frame(header, prepared))
            connection.send_masked(masks.once("not prepared") + masks.once(bytes(70_000)))
    assert got == [
        *(prepared if isinstance(prepared, str) else header + prepared for header, prepared in messages),
        "not prepared",
        bytes(70_000),
    ]


class Late:
    """A call that is late for three frames. `turns` is what all of them do, in order."""

    def __init__(self, name: str, turns: list[str]) -> None:
        self._name = name
        self._turns = turns
        self._left = 3
        self.is_over = asyncio.Event()

    def tick(self) -> float | None:
        self._turns.append(f"{self._name} ticks")
        self._left -= 1
        return 0.0 if self._left else None

    def send(self) -> None:
        self._turns.append(f"{self._name} sends")
        if not self._left:
            self.is_over.set()


async def test_those_who_are_late_take_turns_and_all_are_ticked_before_any_sends() -> None:
    metronome, turns = Metronome(), list[str]()
    calls = Late("one", turns), Late("two", turns)
    for call in calls:
        metronome.add(0.0, call)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(metronome.run)
        await calls[1].is_over.wait()
        tasks.cancel_scope.cancel()
    assert turns == ["one ticks", "two ticks", "one sends", "two sends"] * 3


async def test_calls_that_begin_together_are_due_one_after_another() -> None:
    metronome = Metronome()
    beats = list[int]()
    for _ in range(100):
        zero_s = metronome.beat_s()
        metronome.add(zero_s, Late("", []))
        beats.append(round(zero_s * 1000) % 20)
    assert set(beats[:50]) == set(range(0, 20, 2))
    assert set(beats[50:]) == set(range(0, 20, 4))


def test_packets_are_taken_skipped_and_refused_as_from_a_ring() -> None:
    queue, wave = PacketQueue(1_000), tone(100)
    out = wave[:250].copy()
    assert [queue.put(wave[:300]), queue.put(wave[300:900]), queue.put(wave[:200])] == [True, True, False]
    assert queue.take(out) == 250
    assert list(out) == list(wave[:250])
    queue.skip_to(100)
    queue.skip_to(700)
    assert (queue.taken, queue.written, queue.waiting) == (700, 900, 200)
    assert queue.take(out) == 200
    assert list(out[:200]) == list(wave[700:900])
    assert (queue.take(out), queue.waiting) == (0, 0)

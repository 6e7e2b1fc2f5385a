"""Stands between a client and a server and writes down what they say, without changing a byte of it.

    async with wire_tap(server.port) as tap:
        ...                          # a client talks to tap.port
    check_trace(tap.calls[0].events())

What passes is read as HTTP and WebSocket, but forwarded as it came: neither side can tell that it is watched.
"""

import json
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, SocketAttribute, SocketStream
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.streams import StreamReader

from server.client.client import AUDIO_FRAME
from server.dialects.voice.frames import unpack_frame

Side = Literal["client", "server"]

_LONGEST_LINE = 8192


@dataclass(slots=True)
class TappedCall:
    """One connection: the heads of its handshake, and every JSON message of both sides in order."""

    heads: dict[Side, list[str]] = field(default_factory=lambda: {"client": [], "server": []})
    said: list[tuple[Side, dict[str, Any]]] = field(default_factory=list)

    def events(self, side: Side = "server") -> list[dict[str, Any]]:
        """What one side said."""
        return [event for sender, event in self.said if sender == side]

    def types(self, side: Side = "server") -> list[str]:
        """The types of what one side said."""
        return [str(event["type"]) for event in self.events(side)]


@dataclass(slots=True)
class WireTap:
    """Where clients connect, and the calls so far."""

    port: int
    calls: list[TappedCall] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where sessions are."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"


@asynccontextmanager
async def wire_tap(server_port: int) -> AsyncIterator[WireTap]:
    """Listen on a free port, and pass every connection on to the server's."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        tap = WireTap(listener.extra(SocketAttribute.local_port))

        async def pass_on(client: SocketStream) -> None:
            call = TappedCall()
            tap.calls.append(call)
            async with client, await anyio.connect_tcp("127.0.0.1", server_port) as server:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_copy, client, server, call, "client")
                    tasks.start_soon(_copy, server, client, call, "server")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, pass_on)
            yield tap
            tasks.cancel_scope.cancel()


async def _copy(source: ByteReceiveStream, sink: ByteSendStream, call: TappedCall, side: Side) -> None:
    reader = StreamReader()
    reading = _read(reader, call, side)
    try:
        async for data in source:
            reader.feed_data(data)
            next(reading)
            await sink.send(data)
        if isinstance(sink, SocketStream):
            await sink.send_eof()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        pass  # a client that vanishes is none of the tap's business
    finally:
        reading.close()


def _read(reader: StreamReader, call: TappedCall, side: Side) -> Generator[None, None, None]:
    """Whatever has come so far; stops at each point where more is needed."""
    while line := (yield from reader.read_line(_LONGEST_LINE)).decode("latin-1").strip():
        call.heads[side].append(line)
    message = b""
    while True:
        frame = yield from Frame.parse(reader.read_exact, mask=side == "client")
        if frame.opcode in DATA_OPCODES:
            message = message + bytes(frame.data) if frame.opcode is Opcode.CONT else bytes(frame.data)
            if frame.fin:
                is_audio = not message.startswith(b"{")  # of `voice.v1`
                event = (
                    {"type": AUDIO_FRAME, **unpack_frame(message)._asdict()}
                    if is_audio
                    else json.loads(message)
                )
                call.said.append((side, event))

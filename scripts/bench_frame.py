"""What a frame of the microphone costs on its way in: CPU time of the server's thread for each frame of 20 ms.

Server and clients share one thread, and speak over real sockets. A frame is written, and the loop turns until it was
heard; what the writing takes is not counted, nor is what the turns take without a frame. The frames are those of
`bench_sessions`, heard by WebRTC's detector as fast as they come; no turn is answered. Beside it a bare `websockets`
server reads the same frames.
"""

import base64
import json
import sys
from asyncio import get_running_loop, sleep
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from socket import IPPROTO_TCP, TCP_NODELAY, socket
from statistics import median
from time import thread_time

import anyio
from bench_sessions import read_script
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from server.app import App
from server.config.environment import load_settings
from server.config.providers import Providers
from server.dialects.voice.frames import WRAP, Stream, pack_frame
from stages.testing.fakes import ScriptedModel, ScriptedRecogniser, ScriptedVoice

SESSIONS, ROUNDS = 10, 10
TURNS = 4
"""Of the loop, until a frame was heard."""
DRAINED_EVERY = 10
"""Frames, after which the clients take what they were sent."""
LIMITS = {"max_audio_ahead_s": 600, "max_audio_speed": 100, "max_bytes_per_s": 64 << 20}
SAYS_NOTHING = {
    "type": "realtime",
    "audio": {
        "input": {
            "turn_detection": {"type": "server_vad", "create_response": False, "interrupt_response": False}
        }
    },
}
REQUEST = (
    "GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{}\r\n"
)

Encode = Callable[[str, int], Frame]
"""A frame of the script and its number, as it is sent."""


def as_text(frame: str, number: int) -> Frame:
    """As Realtime has it."""
    return Frame(Opcode.TEXT, frame.encode())


def as_bytes(frame: str, number: int) -> Frame:
    """As `voice.v1` has it."""
    data = base64.b64decode(json.loads(frame)["audio"])
    return Frame(Opcode.BINARY, pack_frame(Stream.MICROPHONE, 0, number * len(data) // 2 % WRAP, data))


@asynccontextmanager
async def voice() -> AsyncIterator[int]:
    """The real server, scripted providers behind it; its port."""
    settings = load_settings({"port": 0, "limits": LIMITS, "turn_detection": "server_vad"}, env_file=None)
    providers = Providers(
        ScriptedRecogniser("what time is it now"), ScriptedModel("Noon."), ScriptedVoice(), ("",) * 3
    )
    async with App(settings, providers).listening() as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def bare() -> AsyncIterator[int]:
    """A server that reads and knows nothing of what it reads."""

    async def read(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for _ in connection:
                pass

    async with serve(read, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def connected(port: int, subprotocol: str) -> socket:
    """A client that has said hello."""
    loop, client = get_running_loop(), socket()
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    named = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    await loop.sock_sendall(client, REQUEST.format(named).encode())
    assert b" 101 " in await loop.sock_recv(client, 4096)
    update = json.dumps({"type": "session.update", "session": SAYS_NOTHING})
    await loop.sock_sendall(client, Frame(Opcode.TEXT, update.encode()).serialize(mask=True))
    await sleep(0.2)
    return client


def take_all(client: socket) -> int:
    """Take what the client was sent; how often speech was heard in what it said."""
    taken = b""
    with suppress(BlockingIOError):
        while more := client.recv(1 << 16):
            taken += more
    return taken.count(b"input_audio_buffer.speech_started")


async def play(clients: Sequence[socket], frames: Sequence[Sequence[bytes]]) -> tuple[float, int]:
    """Each client's frames in turn; seconds of CPU, the writing and taking left out, and how often speech was heard."""
    spent_s, utterances = 0.0, 0
    for number in range(len(frames[0])):
        for client, mine in zip(clients, frames, strict=True):
            if mine[number]:
                client.send(mine[number])
            began_s = thread_time()
            for _ in range(TURNS):
                await sleep(0)
            spent_s += thread_time() - began_s
        if not number % DRAINED_EVERY:
            utterances += sum(map(take_all, clients))
    return spent_s, utterances


async def cost_us(port: int, encode: Encode, subprotocol: str, hears: bool) -> list[float]:
    """Of a frame, in each round; whether the server hears must be true."""
    script = read_script()
    clients = [await connected(port, subprotocol) for _ in range(SESSIONS)]
    costs = []
    for turn in range(ROUNDS):
        frames = [
            [
                encode(script[(number + 60 * who) % len(script)], turn * len(script) + number).serialize(
                    mask=True
                )
                for number in range(len(script))
            ]
            for who in range(SESSIONS)
        ]
        idle_s, _ = await play(clients, [[b""] * len(script)] * SESSIONS)
        spent_s, utterances = await play(clients, frames)
        if hears != (utterances >= SESSIONS - 1):
            raise SystemExit(f"bench-frame: speech was heard {utterances} times from {SESSIONS} clients")
        costs.append((spent_s - idle_s) / len(script) / SESSIONS * 1e6)
    for client in clients:
        client.close()
    return costs


async def main() -> None:
    """Measure and print a table."""
    print("| µs of CPU a frame | least | median |", "| --- | --- | --- |", sep="\n")
    rows = (
        ("bare `websockets`", bare, as_text, ""),
        ("ours, Realtime", voice, as_text, ""),
        ("ours, `voice.v1`", voice, as_bytes, "voice.v1"),
    )
    for name, server, encode, subprotocol in rows:
        async with server() as port:
            costs = await cost_us(port, encode, subprotocol, server is voice)
        print(f"| {name} | {min(costs):.0f} | {median(costs):.0f} |", flush=True)


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": "--asyncio" not in sys.argv})

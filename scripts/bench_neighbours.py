"""How long the clients of a server wait while another asks too much of it; behind `scripts/bench-neighbours`.

The real server runs in a process of its own, with scripted providers and its usual detector. `NEIGHBOURS` clients send
20 ms of audio 50 times a second, and every fifth time a command whose answer is timed. Before each attack the same is
measured without it: what counts is the difference, and the ratio, since the machine may have other things to do.
"""

import base64
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from statistics import quantiles
from subprocess import PIPE
from time import perf_counter

import anyio
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.app import App
from server.config.environment import load_settings
from server.config.providers import Providers
from server.dialects.voice.frames import SUBPROTOCOL as VOICE_SUBPROTOCOL
from server.dialects.voice.frames import Stream, pack_frame
from server.first_use import set_aside
from stages.providers.silero import SileroModel
from stages.runtime.models import model_dir
from stages.testing.fakes import EchoModel, ScriptedRecogniser, ScriptedVoice

NEIGHBOURS = 10
FRAME_S, FRAME_SAMPLES = 0.02, 480
WARM_UP_S, MEASURED_S, AGAIN_S = 1.0, 5.0, 0.2
NOISE = np.random.default_rng(1)


async def serve() -> None:
    """The server: prints its port, and runs until it is killed."""
    detector = SileroModel.load(model_dir("silero-vad"))
    providers = Providers(
        ScriptedRecogniser("hello there"), EchoModel(), ScriptedVoice(), ("", "", ""), new_vad=detector.open
    )
    settings = load_settings({"port": 0, "limits": {"max_sessions": 1000}}, env_file=None)
    async with App(settings, providers).listening() as server:
        set_aside()  # as the command `serve` does
        print(server.sockets[0].getsockname()[1], flush=True)
        await anyio.sleep_forever()


@asynccontextmanager
async def server_process() -> AsyncIterator[str]:
    """Start a server, and say where it is."""
    async with await anyio.open_process(
        [sys.executable, __file__, "--serve"], stdout=PIPE, stderr=None
    ) as process:
        try:
            assert process.stdout is not None
            yield f"ws://127.0.0.1:{int(await process.stdout.receive())}/v1/realtime"
        finally:
            process.terminate()


# --- the neighbours ---------------------------------------------------------------------------------------------------


async def neighbour(url: str, waits_ms: list[float], *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Somebody in real time; adds how long each answer took."""
    asked_at: list[float] = []
    async with connect(url, compression=None, subprotocols=[Subprotocol(VOICE_SUBPROTOCOL)]) as connection:

        async def receive() -> None:
            async for frame in connection:
                if isinstance(frame, str) and '"item_retrieve_invalid_item_id"' in frame:
                    waits_ms.append((perf_counter() - asked_at.pop(0)) * 1000)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            task_status.started()
            began, number = anyio.current_time(), 0
            while True:
                audio = bytes(2 * FRAME_SAMPLES)
                await connection.send(pack_frame(Stream.MICROPHONE, 0, number * FRAME_SAMPLES, audio))
                number += 1
                if number % 5 == 0:
                    asked_at.append(perf_counter())  # the loop's own clock counts whole milliseconds
                    await connection.send(command("conversation.item.retrieve", item_id="nowhere"))
                await anyio.sleep_until(began + number * FRAME_S)


def command(type: str, **fields: object) -> str:
    """One event of the client."""
    return json.dumps({"type": type, **fields})


# --- the attacks ------------------------------------------------------------------------------------------------------


async def telephone(url: str) -> ClientConnection:
    """A client that sends G.711."""
    connection = await connect(url, compression=None, max_size=None, max_queue=None)
    audio = {"input": {"format": {"type": "audio/pcmu"}}}
    await connection.send(command("session.update", session={"type": "realtime", "audio": audio}))
    return connection


def loud(seconds: float) -> str:
    """An append of so much noise as G.711."""
    return command(
        "input_audio_buffer.append", audio=base64.b64encode(NOISE.bytes(int(8000 * seconds))).decode()
    )


async def minutes_in_a_frame(url: str) -> None:
    """One frame with five minutes of sound."""
    async with await telephone(url) as connection:
        await connection.send(loud(300))
        await anyio.sleep_forever()


async def faster_than_life(url: str) -> None:
    """Three clients that send half a minute of sound as often as they may."""

    async def send() -> None:
        async with await telephone(url) as connection:
            while True:
                await connection.send(loud(32))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(send)


async def flood(url: str) -> None:
    """Empty frames without end."""
    async with connect(url, compression=None, max_queue=None) as connection:
        while True:
            connection.transport.write(b"\x81\x80\0\0\0\0" * 10_000)
            await connection.drain()


async def half_frames(url: str) -> None:
    """Ten clients that keep the last byte of 4 MiB back."""
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        for _ in range(10):
            connection = await stack.enter_async_context(connect(url, compression=None))
            connection.transport.write(
                b"\x82\xff" + (4 << 20).to_bytes(8, "big") + bytes(4) + bytes((4 << 20) - 1)
            )
            tasks.start_soon(connection.wait_closed)


async def slow_readers(url: str) -> None:
    """Twenty clients that read nothing of a long answer."""
    async with AsyncExitStack() as stack:
        for _ in range(20):
            small = socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection = await stack.enter_async_context(
                connect(url, sock=small, compression=None, max_queue=1)
            )
            part = {"type": "input_text", "text": "word " * 400}
            item = {"type": "message", "role": "user", "content": [part]}
            await connection.send(command("conversation.item.create", item=item))
            await connection.send(command("response.create"))
        await anyio.sleep_forever()


ATTACKS: Mapping[str, Callable[[str], Awaitable[None]]] = {
    "minutes-in-a-frame": minutes_in_a_frame,
    "faster-than-life": faster_than_life,
    "flood": flood,
    "half-frames": half_frames,
    "slow-readers": slow_readers,
}


# --- the measurement --------------------------------------------------------------------------------------------------


async def attack(name: str, url: str) -> None:
    """Attack until killed, and again whenever the server has ended it."""
    while True:
        with suppress(ConnectionClosed, OSError, ExceptionGroup):
            await ATTACKS[name](url)
        await anyio.sleep(AGAIN_S)


async def measure(name: str) -> tuple[list[float], list[float]]:
    """What the neighbours waited before and during the attack, in ms. The attacker is a process of its own."""
    waits_ms: list[float] = []
    async with server_process() as url, anyio.create_task_group() as tasks:
        for _ in range(NEIGHBOURS):
            await tasks.start(neighbour, url, waits_ms)
        await anyio.sleep(WARM_UP_S)
        waits_ms.clear()
        await anyio.sleep(MEASURED_S)
        base = waits_ms.copy()
        waits_ms.clear()
        async with await anyio.open_process(
            [sys.executable, __file__, "--attack", name, url], stderr=None
        ) as attacker:
            await anyio.sleep(WARM_UP_S)  # until it has started
            waits_ms.clear()
            await anyio.sleep(MEASURED_S)
            during = waits_ms.copy()
            attacker.kill()
        tasks.cancel_scope.cancel()
    return base, during


def row(name: str, base: list[float], during: list[float]) -> str:
    """One line of the table; `answers` is how many came during the attack for each that came before."""
    before, after = (quantiles(waits, n=100, method="inclusive") for waits in (base, during))
    return (
        f"| {name} | {before[49]:.1f} | {before[98]:.1f} | {after[49]:.1f} | {after[98]:.1f} "
        f"| {after[98] - before[98]:+.1f} | {after[98] / before[98]:.2f} | {len(during) / len(base):.2f} |"
    )


async def main(names: list[str]) -> None:
    """Measure and print a table."""
    print("| attack | base p50 ms | p99 | attacked p50 | p99 | p99 more | ratio | answers |")
    print("| --- " * 8 + "|")
    for name in names:
        print(row(name, *await measure(name)), flush=True)


if __name__ == "__main__":
    backend = {"use_uvloop": True}
    if sys.argv[1:2] == ["--serve"]:
        anyio.run(serve, backend_options=backend)
    elif sys.argv[1:2] == ["--attack"]:
        anyio.run(attack, sys.argv[2], sys.argv[3], backend_options=backend)
    else:
        anyio.run(main, sys.argv[1:] or list(ATTACKS), backend_options=backend)

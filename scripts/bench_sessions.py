"""What a session costs: CPU, memory, and the wait for the first audio, for N talking sessions on one core.

The server under test runs on one core, the clients on the others. Each client plays a script over and over: a recorded
question, then silence until the next one, in 20 ms frames and in real time; the answer comes back in 20 ms frames.
Providers are the scripted ones, so what is measured is ours. The floor, in the same run, is a bare `websockets` server
with the same settings that takes the same frames and sends as many of the same size at the same moments.

A server's share depends on how many frames it finds waiting whenever it wakes, and on what else the machine does. So
the two are measured in turns, some rounds of each, and the ratio is told as the median of the rounds with the least and
the most.
"""

import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from subprocess import PIPE

import anyio
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from audio.files import read_audio
from audio.resample import Resampler
from server.app import App
from server.config.environment import load_settings
from server.config.providers import Providers
from stages.testing.fakes import ScriptedModel, ScriptedRecogniser, ScriptedVoice

QUESTION = Path(__file__).parents[1] / "tests" / "data" / "speech" / "cards_002.wav"
ANSWER = "Your table for four people is booked for eight tonight."
WIRE_HZ = 24_000
FRAME_S = 0.02
FRAME_SAMPLES = int(WIRE_HZ * FRAME_S)
CYCLE_FRAMES = 300
"""Six seconds: a question of two, half a second of silence, an answer of three and a half."""
ANSWER_FRAMES = (105, 297)
"""When, in its cycle, the bare server sends: the same moments, give or take a frame, as the real one."""
WARM_UP_S, MEASURED_S = 7.0, 6.0
"""Until every client has begun its cycle, and one cycle of each."""
ROUNDS = 3
SERVER_CORE = 0


# --- the servers ------------------------------------------------------------------------------------------------------


async def serve_voice() -> None:
    """The real server, scripted providers behind it."""
    settings = load_settings(
        {"port": 0, "output_chunk_ms": 20, "limits": {"max_sessions": 1000}, "turn_detection": "server_vad"},
        env_file=None,
    )
    providers = Providers(
        ScriptedRecogniser("what time is it now"), ScriptedModel(ANSWER), ScriptedVoice(), ("", "", "")
    )
    async with App(settings, providers).listening() as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await anyio.sleep_forever()


async def serve_bare() -> None:
    """Takes frames and sends frames, and knows nothing of what is in them."""
    delta = {
        "type": "response.output_audio.delta",
        "event_id": "event_" + "0" * 21,
        "response_id": "resp_" + "0" * 21,
        "item_id": "item_" + "0" * 21,
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(bytes(2 * FRAME_SAMPLES)).decode(),
    }
    frame, (first, last) = json.dumps(delta), ANSWER_FRAMES

    async def move(connection: ServerConnection) -> None:
        number = 0
        with suppress(ConnectionClosed):
            async for _ in connection:
                if first <= number % CYCLE_FRAMES < last:
                    await connection.send(frame)
                number += 1

    async with serve(move, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await anyio.sleep_forever()


@dataclass(frozen=True)
class Process:
    """A server in a process of its own."""

    pid: int
    url: str

    def cpu_s(self) -> float:
        """CPU time that its threads have used, to the nanosecond: one session uses few of the clock's ticks."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def rss_kb(self) -> int:
        """Memory it holds."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@asynccontextmanager
async def server_process(kind: str) -> AsyncIterator[Process]:
    """Start a server of this kind on its core."""
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, __file__, "--serve", kind]
    async with await anyio.open_process(command, stdout=PIPE, stderr=None) as process:
        try:
            assert process.stdout is not None
            port = int(await process.stdout.receive())
            yield Process(process.pid, f"ws://127.0.0.1:{port}/v1/realtime")
        finally:
            process.terminate()


# --- the clients ------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What all clients of one run have seen while the measurement lasted."""

    frames_in: int = 0
    frames_out: int = 0
    waits_ms: list[float] = field(default_factory=list)
    """From the sending of the frame that ended a turn to its first audio."""
    is_counting: bool = False


class Client:
    """One session: a sender in real time, and a receiver that looks only at what it measures."""

    def __init__(self, connection: ClientConnection, script: Sequence[str], tally: Tally) -> None:
        self._connection = connection
        self._script = script
        self._tally = tally
        self._sent_at: list[float] = []
        self._ended_at: float | None = None

    async def send(self) -> None:
        """The script, over and over."""
        started = anyio.current_time()
        while True:
            number = len(self._sent_at)
            await anyio.sleep_until(started + number * FRAME_S)
            self._sent_at.append(anyio.current_time())
            await self._connection.send(self._script[number % len(self._script)])
            self._tally.frames_in += self._tally.is_counting

    async def receive(self) -> None:
        """Count audio, and time the first of each answer."""
        async for frame in self._connection:
            assert isinstance(frame, str)
            head = frame[:120]
            if '"response.output_audio.delta"' in head:
                self._tally.frames_out += self._tally.is_counting
                if self._ended_at is not None:
                    if self._tally.is_counting:
                        self._tally.waits_ms.append((anyio.current_time() - self._ended_at) * 1000)
                    self._ended_at = None
            elif '"input_audio_buffer.speech_stopped"' in head:
                end_ms = json.loads(frame)["audio_end_ms"]
                self._ended_at = self._sent_at[min(int(end_ms / 20), len(self._sent_at) - 1)]
            elif '"error"' in head:
                raise RuntimeError(frame)


def read_script() -> list[str]:
    """One cycle, as the frames that a client sends."""
    samples, rate_hz = read_audio(QUESTION)
    # What a microphone makes of silence: two steps up and down. A muted one is cheaper to hear.
    cycle = np.random.default_rng(0).integers(-2, 3, CYCLE_FRAMES * FRAME_SAMPLES).astype("<i2")
    wire = Resampler(rate_hz, WIRE_HZ).process(samples, last=True)
    cycle[: len(wire)] = wire
    pieces = cycle.reshape(CYCLE_FRAMES, FRAME_SAMPLES)
    texts = (base64.b64encode(piece.tobytes()).decode() for piece in pieces)
    return [json.dumps({"type": "input_audio_buffer.append", "audio": text}) for text in texts]


async def load(url: str, sessions: int, tally: Tally, script: Sequence[str]) -> None:
    """Run the clients until cancelled, their cycles spread evenly."""

    async def one(delay_s: float) -> None:
        await anyio.sleep(delay_s)
        async with (
            connect(url, compression=None, max_size=None) as connection,
            anyio.create_task_group() as tasks,
        ):
            client = Client(connection, script, tally)
            tasks.start_soon(client.receive)
            tasks.start_soon(client.send)

    async with anyio.create_task_group() as tasks:
        for number in range(sessions):
            tasks.start_soon(one, number / sessions * CYCLE_FRAMES * FRAME_S)


# --- the measurement --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What one run has cost."""

    cpu_share: float
    """Of the core, a session."""
    rss_kb: float
    """A session, over the idle server."""
    tally: Tally


async def measure(kind: str, sessions: int, script: Sequence[str]) -> Cost:
    """Load a fresh server of this kind with so many sessions."""
    async with server_process(kind) as process:
        return await measure_at(process, sessions, script)


async def measure_at(process: Process, sessions: int, script: Sequence[str]) -> Cost:
    """Load a server that has just begun."""
    tally, idle_kb = Tally(), process.rss_kb()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load, process.url, sessions, tally, script)
        await anyio.sleep(WARM_UP_S)
        tally.is_counting, cpu_s, began = True, process.cpu_s(), anyio.current_time()
        await anyio.sleep(MEASURED_S)
        tally.is_counting, used_s = False, process.cpu_s() - cpu_s
        took_s, rss_kb = anyio.current_time() - began, process.rss_kb()
        tasks.cancel_scope.cancel()
    return Cost(used_s / took_s / sessions, (rss_kb - idle_kb) / sessions, tally)


HEAD = (
    "| sessions | CPU of a core, each | bare | ratio | least to most | MB each | bare "
    "| first audio ms p50 | p99 | frames out/in |"
)


async def row(sessions: int, script: Sequence[str]) -> str:
    """Measure for so many sessions, the bare server and ours in turns."""
    bare, voice = [], []
    for _ in range(ROUNDS):
        bare.append(await measure("bare", sessions, script))
        voice.append(await measure("voice", sessions, script))
    ratios = [ours.cpu_share / floor.cpu_share for ours, floor in zip(voice, bare, strict=True)]
    waits = quantiles((ms for cost in voice for ms in cost.tally.waits_ms), n=100, method="inclusive")
    return (
        f"| {sessions} | {median(cost.cpu_share for cost in voice):.2%} "
        f"| {median(cost.cpu_share for cost in bare):.2%} "
        f"| {median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} "
        f"| {median(cost.rss_kb for cost in voice) / 1024:.2f} | {median(cost.rss_kb for cost in bare) / 1024:.2f} "
        f"| {waits[49]:.1f} | {waits[98]:.1f} | {traffic(voice):.2f} ({traffic(bare):.2f} bare) |"
    )


def traffic(costs: Sequence[Cost]) -> float:
    """Frames out for each frame in."""
    return sum(cost.tally.frames_out for cost in costs) / sum(cost.tally.frames_in for cost in costs)


async def main(counts: Sequence[int]) -> None:
    """Measure and print a table."""
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {SERVER_CORE} or {SERVER_CORE})
    script = read_script()
    print(HEAD, "| --- " * (HEAD.count("|") - 1) + "|", sep="\n")
    for sessions in counts:
        print(await row(sessions, script), flush=True)


if __name__ == "__main__":
    backend = {"use_uvloop": True}
    if sys.argv[1:2] == ["--serve"]:
        anyio.run({"voice": serve_voice, "bare": serve_bare}[sys.argv[2]], backend_options=backend)
    else:
        anyio.run(
            main, [int(count) for count in sys.argv[1:]] or [1, 10, 25, 50, 75], backend_options=backend
        )

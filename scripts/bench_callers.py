"""How many callers of `stageflow-voice load` one core makes, and how late they are: the generator, measured alone.

The callers run on one core, and what they call on another: a server that does as little as can be done, so that it
is never what is waited for. It hears by a few samples of a frame whether the caller speaks, and answers in frames of
20 ms, one for each that comes. The callers speak `voice.v1`, play what they hear and say what they have heard, as
against any server. They ask for 0.6 s, hear an answer of 2 s, and ask again.

`callers a core` is what the share of the core of each leaves room for; it holds also on a machine that others use,
which the lateness does not.
"""

import asyncio
import base64
import hashlib
import os
import sys
import time
from subprocess import PIPE
from typing import cast

import anyio
import numpy as np

from server.client.load.calls.place import Place
from server.client.load.calls.runner import Load, Runner
from server.client.load.calls.turns import Outcome
from server.client.load.hearing.mouth import Voicebox
from server.client.load.hearing.utterance import hush, prepare
from server.client.load.reference.agent import RATE_HZ, tone
from server.client.load.script import Mix
from server.client.load.targets import Voice
from server.dialects.voice.frames import HEADER_BYTES, Stream, pack_frame
from server.first_use import set_aside

TARGET_CORE, CALLERS_CORE = 0, 1
COUNTS = (10, 50, 100, 200, 300)
MEASURED_S = 12.0
RAMP_S = 2.0
ANSWER_FRAMES, LEAD_FRAMES, PAUSE_FRAMES = 100, 10, 15
FRAME_BYTES = RATE_HZ // 50 * 2
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LOUD = 1_000

MIX = Mix.model_validate(
    {"scenarios": [{"name": "question", "think_ms": [100, 900], "steps": [{"say": "question"}] * 50}]}
)


def _message(payload: bytes, opcode: int) -> bytes:
    size = len(payload)
    return (
        bytes([0x80 | opcode, size] if size < 126 else [0x80 | opcode, 126, size >> 8, size & 255]) + payload
    )


def _text(event: str) -> bytes:
    return _message(event.encode(), 1)


BEGIN = _text('{"type":"response.output_item.added","item":{"type":"message","id":"item_1"}}')
END = _text('{"type":"response.output_audio.done"}') + _text(
    '{"type":"response.done","response":{"status":"completed"}}'
)
FRAME = _message(pack_frame(Stream.ANSWER, 0, 0, tone(20).astype("<i2").tobytes()), 2)


class Target(asyncio.Protocol):
    """One session of the server that does as little as can be done."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's does not say so itself
        self.waiting = b""
        self.is_open = False
        self.quiet_frames: int | None = None
        self.left_frames = 0

    def data_received(self, data: bytes) -> None:
        data = self.waiting + data
        if not self.is_open:
            self._shake_hands(data)
            return
        at, end = 0, len(data)
        while end - at >= 8:
            size, mask_at = data[at + 1] & 127, at + 2
            if size == 126:
                size, mask_at = data[at + 2] << 8 | data[at + 3], at + 4
            if end < mask_at + 4 + size:
                break
            if data[at] == 0x82:
                self._hear(data, mask_at)
            elif data[at] == 0x88:
                self.transport.write(_message(b"\x03\xe8", 8))
                self.transport.close()
                return
            at = mask_at + 4 + size
        self.waiting = data[at:]

    def _shake_hands(self, data: bytes) -> None:
        if b"\r\n\r\n" not in data:
            self.waiting = data
            return
        lines = dict(line.split(b": ", 1) for line in data.split(b"\r\n")[1:] if b": " in line)
        key = next(value for name, value in lines.items() if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: voice.v1\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.is_open, self.waiting = True, b""

    def _hear(self, data: bytes, mask_at: int) -> None:
        at = mask_at + 4 + HEADER_BYTES + FRAME_BYTES // 2
        phase = (HEADER_BYTES + FRAME_BYTES // 2) % 4
        low, high = data[at] ^ data[mask_at + phase], data[at + 1] ^ data[mask_at + phase + 1]
        value = high << 8 | low
        if _LOUD < value < 65_536 - _LOUD:
            self.quiet_frames = 0
        elif self.quiet_frames is not None:
            self.quiet_frames += 1
            if self.quiet_frames == PAUSE_FRAMES:
                self.quiet_frames, self.left_frames = None, ANSWER_FRAMES - LEAD_FRAMES
                self.transport.write(BEGIN + FRAME * LEAD_FRAMES)
        elif self.left_frames:
            self.left_frames -= 1
            self.transport.write(FRAME if self.left_frames else FRAME + END)


async def serve() -> None:
    """Until it is ended."""
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def measure(url: str, callers: int) -> str:
    """One row of the table."""
    question = prepare(Voice, np.concatenate([tone(600)]), RATE_HZ)
    steps = {("question", number): question for number in range(len(MIX.scenarios[0].steps))}
    voicebox = Voicebox(hush(Voice, 1), steps)
    set_aside()
    load = Load(RAMP_S + MEASURED_S, callers=callers, ramp_s=RAMP_S)
    runner = Runner(Place(url, Voice), MIX, voicebox, load, seed=1)
    began_s = cpu_s = frames = 0.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run)
        await anyio.sleep(RAMP_S + 1)
        began_s, cpu_s, frames = time.monotonic(), time.process_time(), runner.so_far.late.n
        await anyio.sleep(MEASURED_S - 2)
        lasted_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        frames = runner.so_far.late.n - frames
    audit, turns = runner.so_far.audit(), [turn for call in runner.so_far.calls for turn in call.turns]
    known = [turn for turn in turns if turn.outcome is not Outcome.DISCARDED]
    held = sum(turn.outcome is Outcome.HELD for turn in known)
    caller_s = frames / 50
    each = cpu_s / caller_s
    gaps = sum(len(turn.gaps_ms) for turn in known)
    return (
        f"| {callers} | {cpu_s / lasted_s:.0%} | {each:.3%} | {1 / each:.0f} | {audit.send_late_p50_ms:.1f} "
        f"| {audit.send_late_p99_ms:.1f} | {audit.send_late_max_ms:.0f} | {held} of {len(known)} | {gaps} |"
    )


async def main(counts: list[int]) -> None:
    """The table."""
    command = ["taskset", "-c", str(TARGET_CORE), sys.executable, __file__, "--serve"]
    os.sched_setaffinity(0, {CALLERS_CORE})
    async with await anyio.open_process(command, stdout=PIPE, stderr=None) as process:
        try:
            assert process.stdout is not None
            url = f"ws://127.0.0.1:{int(await process.stdout.receive())}/"
            print(
                "| callers | CPU of a core | each | callers a core | late ms p50 | p99 | max | answered | gaps |"
            )
            print("|" + " --- |" * 9, flush=True)
            for callers in counts:
                print(await measure(url, callers), flush=True)
        finally:
            process.terminate()


if __name__ == "__main__":
    work = (
        serve() if sys.argv[1:] == ["--serve"] else main([int(one) for one in sys.argv[1:]] or list(COUNTS))
    )

    async def _run() -> None:
        await work

    anyio.run(_run, backend_options={"use_uvloop": True})

"""What a model tier costs and brings: the same recorded speech and the same sentences through the embedded engines in
this process, through a tier of one process, and through replicas on Ray Serve."""

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio

sys.path.insert(0, str(Path(__file__).parents[1]))

from stages.ports import HasSessions
from stages.providers.hibari.voice import EmbeddedVoice, VoiceModelSettings
from stages.providers.moonshine.recogniser import MoonshineRecogniser
from stages.providers.piecewise import open_utterance
from stages.providers.remote.stt import RemoteRecogniser, RemoteRecogniserSettings
from stages.providers.remote.tts import RemoteVoice, RemoteVoiceSettings
from stages.providers.whisper.recogniser import RecogniserSettings
from tests.support.audio_maker import clips

CLIPS = [clip.read() for clip in clips() if clip.seconds <= 3]
SENTENCES = (
    "The train leaves at noon.",
    "Your table is booked for four.",
    "It will rain in the evening.",
) * 3
SESSIONS = 6
"""At once, for the throughput."""
TURNS = 8
"""Of each of them."""


def table_row(name: str, *figures: str) -> None:
    print(f"| {name} | " + " | ".join(figures) + " |", flush=True)


def ms(several: list[float]) -> str:
    ordered = sorted(several)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"{1000 * statistics.median(ordered):.0f} / {1000 * p95:.0f}"


@asynccontextmanager
async def opened(provider: Any) -> Any:
    if isinstance(provider, HasSessions):
        async with provider.session() as one:
            yield one
    else:
        yield provider


async def turn(recogniser: Any, samples: Any, *, paced: bool) -> float:
    """Push an utterance, and how long its text took then."""
    recognition = recogniser.open(lambda _: None)
    for at in range(0, len(samples), 320):
        recognition.push(samples[at : at + 320])
        await anyio.sleep(0.02 if paced else 0)
    began = anyio.current_time()
    await recognition.final()
    took = anyio.current_time() - began
    recognition.close()
    return took


async def first_audio(voice: Any, text: str) -> float:
    began = anyio.current_time()
    async with open_utterance(voice) as utterance, anyio.create_task_group() as tasks:

        async def say() -> None:
            await utterance.push(text)
            await utterance.finish()

        tasks.start_soon(say)
        async with aclosing(utterance.audio()) as audio:
            await anext(audio)
            took = anyio.current_time() - began
            async for _ in audio:
                pass
    return took


async def measure(recogniser: Any, voice: Any) -> tuple[str, str, str]:
    async with opened(recogniser) as ear, opened(voice) as mouth:
        await turn(ear, CLIPS[0], paced=False)
        await first_audio(mouth, SENTENCES[0])
        finals = [await turn(ear, clip, paced=True) for clip in CLIPS]
        firsts = [await first_audio(mouth, text) for text in SENTENCES]
    done = 0
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(opened(recogniser)) for _ in range(SESSIONS)]
        began = anyio.current_time()

        async def talk(ear: Any, number: int) -> None:
            nonlocal done
            for count in range(TURNS):
                await turn(ear, CLIPS[(number + count) % len(CLIPS)], paced=False)
                done += 1

        async with anyio.create_task_group() as tasks:
            for number, ear in enumerate(ears):
                tasks.start_soon(talk, ear, number)
        rate = done / (anyio.current_time() - began)
    return ms(finals), ms(firsts), f"{rate:.1f}"


@contextmanager
def tier(*words: str) -> Iterator[tuple[str, str]]:
    """A tier in processes of its own: its URL, and the environment's mark that all of them have."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mark = uuid4().hex
    command = [sys.executable, "-m", "stages.tier", "--cpus", "0.5", "--port", str(port), *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "BENCH_TIER": mark}
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("rate_hz"):
            break
    try:
        yield f"ws://127.0.0.1:{port}", mark
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        process.stdout.close()


def megabytes(mark: str) -> str:
    """What the tier's processes have in memory, shared pages once."""
    total = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                rollup = (entry / "smaps_rollup").read_text()
                total += int(re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[0])
        except (OSError, IndexError):
            continue
    return f"{total / 1024:.0f}"


def remote(url: str) -> tuple[Any, Any]:
    ear = RemoteRecogniser(RemoteRecogniserSettings(url=url, final_s=60))
    return ear, RemoteVoice(RemoteVoiceSettings(url=url, audio_s=60))


def main() -> None:
    replicas = sys.argv[1:] or ["1", "2"]
    table_row("engines", "text, ms: p50 / p95", "first audio, ms: p50 / p95", "turns a second", "MB")
    table_row("---", "---", "---", "---", "---")
    recogniser = MoonshineRecogniser.from_settings(RecogniserSettings())
    voice = EmbeddedVoice.from_settings(VoiceModelSettings())
    table_row("in this process", *anyio.run(measure, recogniser, voice), "")
    recogniser.close()
    voice.close()
    for name, words in (
        ("a tier of one process", ["--plain"]),
        *((f"Ray Serve, recognisers: {count}", ["--stt-replicas", count]) for count in replicas),
    ):
        with tier(*words) as (url, mark):
            figures = anyio.run(measure, *remote(url))
            table_row(name, *figures, megabytes(mark))


if __name__ == "__main__":
    main()

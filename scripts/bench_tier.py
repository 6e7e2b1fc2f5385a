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

import anyio.lowlevel

from stages.ports import HasSessions
from stages.providers.hibari.voice import EmbeddedVoice, VoiceModelSettings
from stages.providers.moonshine.recogniser import MoonshineRecogniser
from stages.providers.piecewise import open_utterance
from stages.providers.remote.stt import RemoteRecogniser, RemoteRecogniserSettings
from stages.providers.remote.tts import RemoteVoice, RemoteVoiceSettings
from stages.providers.whisper.recogniser import RecogniserSettings
from tests.support.audio_maker import clips

CLIPS = [clip.read() for clip in clips() if clip.seconds <= 4]
SENTENCES = (
    "The train leaves at noon.",
    "Your table is booked for four.",
    "It will rain in the evening.",
) * 3
SESSIONS = 6
"""At once, for the throughput."""
TURNS = 6
"""Of each of them."""


def table_row(name: str, *figures: str) -> None:
    print(f"| {name} | " + " | ".join(figures) + " |", flush=True)


def ms(several: list[float]) -> str:
    """Median and p95."""
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


async def text_s(recogniser: Any, samples: Any) -> float:
    """How long the text of an utterance takes that has been pushed."""
    recognition = recogniser.open()
    for at in range(0, len(samples), 320):
        recognition.push(samples[at : at + 320])
        await anyio.lowlevel.checkpoint()
    await anyio.sleep(0.1)
    began = anyio.current_time()
    await recognition.final()
    took = anyio.current_time() - began
    recognition.close()
    return took


async def first_audio_s(voice: Any, text: str) -> float:
    """How long the first audio of an answer takes."""
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


async def compare(here: tuple[Any, Any], there: tuple[Any, Any]) -> list[str]:
    """Latencies, in turns here and there, so that what else the machine does hits both; then the throughput there."""
    texts, firsts = list[tuple[float, float]](), list[tuple[float, float]]()
    async with opened(there[0]) as ear, opened(there[1]) as mouth:
        for clip in (CLIPS[0], *CLIPS):
            texts.append((await text_s(here[0], clip), await text_s(ear, clip)))
        for text in (SENTENCES[0], *SENTENCES):
            firsts.append((await first_audio_s(here[1], text), await first_audio_s(mouth, text)))
    figures = list[str]()
    for pairs in (texts[1:], firsts[1:]):
        figures += [ms([b for _, b in pairs]), ms([b - a for a, b in pairs])]
    return [*figures, f"{await throughput(there[0]):.1f}"]


async def throughput(recogniser: Any) -> float:
    """Turns a second, of several sessions at once."""
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(opened(recogniser)) for _ in range(SESSIONS)]
        began = anyio.current_time()

        async def talk(ear: Any, number: int) -> None:
            for count in range(TURNS):
                await text_s(ear, CLIPS[(number + count) % len(CLIPS)])

        async with anyio.create_task_group() as tasks:
            for number, ear in enumerate(ears):
                tasks.start_soon(talk, ear, number)
        return SESSIONS * TURNS / (anyio.current_time() - began)


@contextmanager
def tier(*words: str) -> Iterator[tuple[str, str]]:
    """A tier in processes of its own: its URL, and the environment's mark that all of them have."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mark = uuid4().hex
    command = [sys.executable, "-m", "stages.tier", "--cpus", "0.5", "--port", str(port), *words]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "BENCH_TIER": mark},
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
    table_row("engines", "text, ms", "added", "first audio, ms", "added", "turns a second", "MB")
    table_row("---", "---", "---", "---", "---", "---", "---")
    here = (
        MoonshineRecogniser.from_settings(RecogniserSettings()),
        EmbeddedVoice.from_settings(VoiceModelSettings()),
    )
    table_row("in this process", *anyio.run(compare, here, here), "")
    for name, words in (
        ("a tier of one process", ["--plain"]),
        *((f"Ray Serve, recognisers: {count}", ["--stt-replicas", count]) for count in replicas),
    ):
        with tier(*words) as (url, mark):
            table_row(name, *anyio.run(compare, here, remote(url)), megabytes(mark))
    for engine in here:
        engine.close()


if __name__ == "__main__":
    main()

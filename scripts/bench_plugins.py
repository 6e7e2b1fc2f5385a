"""What plug-ins cost a server: at its start, and when one of them misbehaves; behind `scripts/bench-plugins`.

Twenty packages are laid out as an installer lays them out, with entry points, each slow to import, so that one that is
imported without being asked for shows. The neighbours are those of `scripts/bench_neighbours.py`; the plug-in answers
in one session more, once a second, with the fault that it is given.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import copy
from statistics import median, quantiles
from subprocess import PIPE, STDOUT
from subprocess import run as run_process
from tempfile import TemporaryDirectory

import anyio
import numpy as np
from bench_neighbours import FRAME_SAMPLES, MEASURED_S, NEIGHBOURS, WARM_UP_S, command, neighbour
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

import stages.testing
from audio.files import read_audio
from audio.resample import Resampler
from server.dialects.voice.frames import SUBPROTOCOL as VOICE_SUBPROTOCOL
from server.dialects.voice.frames import Stream, pack_frame

TIMES = 7
PACKAGES = 20
PROVIDER = '''
import time
{slow}
from stages.testing.fakes import EchoModel, ScriptedVoice


class Model(EchoModel):
    """An installed model."""


class Voice(ScriptedVoice):
    """An installed voice."""
'''
SERVED = {"stt": "scripted", "llm": "echo", "tts": "scripted", "vad": "webrtc", "end_of_turn": "none"}
PLUGGED = """
[pipeline]
hook = "misbehaving:edit"
[tools]
functions = ["misbehaving:on_loop", "misbehaving:in_thread"]
"""
ALOUD = {"stt": "Ear", "tts": "Voice", "vad": "Detector", "end_of_turn": "Ends"}
"""Of the plug-in, what somebody has to be heard for."""
QUESTION = Path(stages.testing.__file__).with_name("question.flac")


def configured(more: str = "", **chosen: str) -> str:
    """A configuration with these providers, and cheap ones besides."""
    tables = [f'[{kind}]\nuse = "{name}"' for kind, name in (SERVED | chosen).items()]
    return "\n".join([*tables, "[server]", "port = 0", more])


def lay_out(folder: Path) -> None:
    """Twenty installed packages."""
    for number in range(1, PACKAGES + 1):
        slow = "" if number <= 2 else "time.sleep(1)"
        (folder / f"acme_{number}.py").write_text(PROVIDER.format(slow=slow))
        info = folder / f"acme_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{number}\nVersion: 1.0\n")
        lines = [f"[stageflow_voice.llm]\nacme{number} = acme_{number}:Model"]
        lines += [f"[stageflow_voice.tts]\nacme{number} = acme_{number}:Voice"]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def environment(folder: Path | None = None, **more: str) -> dict[str, str]:
    """That of a server without settings but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STAGEFLOW_VOICE_")}
    return {**kept, **({"PYTHONPATH": str(folder)} if folder else {}), **more}


def ms(action: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


# --- the start --------------------------------------------------------------------------------------------------------


def python(code: str) -> None:
    """A Python that runs so much, and ends."""
    run_process([sys.executable, "-c", code], check=True, env=environment())


async def ready_ms(config: Path, folder: Path) -> float:
    """From the start of the process until it says that it listens."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "server", "serve", "--config", str(config)]
    async with await anyio.open_process(
        words, stdout=PIPE, stderr=STDOUT, env=environment(folder)
    ) as process:
        assert process.stdout is not None
        told = b""
        while b"listening on" not in told:
            told += await process.stdout.receive()
        took_ms = (time.perf_counter() - began) * 1000
        process.kill()
    return took_ms


async def start(folder: Path) -> None:
    """Import, and start with and without plug-ins, in turns."""
    bare_ms = [ms(partial(python, "pass")) for _ in range(TIMES)]
    import_ms = [ms(partial(python, "import server")) for _ in range(TIMES)]
    print(f"import server: {median(import_ms) - median(bare_ms):.0f} ms (300 allowed)", flush=True)
    without, chosen = folder / "without.toml", folder / "chosen.toml"
    nobodys = folder / "nobodys"  # on the path too: that it is longer is no plug-in's fault
    nobodys.mkdir()
    without.write_text(configured())
    chosen.write_text(configured(llm="acme1", tts="acme2"))
    none_ms, all_ms = list[float](), list[float]()
    for _ in range(TIMES):
        none_ms.append(await ready_ms(without, nobodys))
        all_ms.append(await ready_ms(chosen, folder))
    print(f"ready without plug-ins: {median(none_ms):.0f} ms (1500 allowed)")
    more_ms = min(all_ms) - min(none_ms)
    print(
        f"{PACKAGES} installed, 2 chosen: {more_ms:+.0f} ms (20 allowed; of the quickest of {TIMES} starts)",
        flush=True,
    )


# --- the neighbours ---------------------------------------------------------------------------------------------------

FAULTS: Mapping[str, tuple[str, str]] = {
    f"{place} {fault}": (place, fault)
    for place in ("stt", "llm", "tts", "vad", "end_of_turn", "tool", "stage", "session", "thread", "here")
    for fault in ("raises", "blocks", "leaks")
    if place not in ("session", "here", "thread") or fault == "blocks"
}
"""Where, and what: `session` is what a model opens for each, `thread` a tool that is not async, `here` a model that
says `apart = False`."""


async def speak(url: str) -> None:
    """Sessions of somebody who asks something aloud, one after the other."""
    samples, rate_hz = read_audio(QUESTION)
    question = Resampler(rate_hz, 24_000).process(samples, last=True)
    said = np.concatenate((question, np.zeros(24_000, np.int16))).tobytes()
    size = 2 * FRAME_SAMPLES
    protocols = [Subprotocol(VOICE_SUBPROTOCOL)]
    while True:
        with suppress(ConnectionClosed, OSError, ExceptionGroup):
            async with connect(url, compression=None, subprotocols=protocols) as connection:
                began, sent = anyio.current_time(), 0
                for start in range(0, len(said) - size, size):
                    frame = pack_frame(Stream.MICROPHONE, 0, sent, said[start : start + size])
                    await connection.send(frame)
                    sent += FRAME_SAMPLES
                    await anyio.sleep_until(began + sent / 24_000)


async def ask(url: str) -> None:
    """Sessions of a few answers each, one after the other: a task is left behind when its session is over."""
    with suppress(ConnectionClosed, OSError, ExceptionGroup):
        while True:
            async with connect(url, compression=None) as connection:
                for _ in range(2):
                    part = {"type": "input_text", "text": "hello"}
                    item = {"type": "message", "role": "user", "content": [part]}
                    await connection.send(command("conversation.item.create", item=item))
                    await connection.send(command("response.create"))
                    while '"response.done"' not in str(await connection.recv()):
                        pass
                    await anyio.sleep(1.0)


async def measure(folder: Path, place: str, fault: str) -> tuple[list[float], list[float], bool]:
    """What neighbours waited before and beside the plug-in, and whether the log names it."""
    config = folder / "plugged.toml"
    chosen = {"llm": {"here": "Here", "session": "Held"}.get(place, "Model")}
    chosen |= {kind: name for kind, name in ALOUD.items() if kind == place}
    config.write_text(configured(PLUGGED, **{kind: f"misbehaving:{name}" for kind, name in chosen.items()}))
    log, waits_ms = folder / f"{place}-{fault}.log", list[float]()
    words = [sys.executable, "-m", "server", "serve", "--config", str(config)]
    with log.open("wb") as output:
        process = await anyio.open_process(
            words, stdout=output, stderr=output, env=environment(folder, PLACE=place, FAULT=fault)
        )
    async with process:
        while b"/v1/realtime\n" not in log.read_bytes():  # noqa: ASYNC110  # another process writes it
            await anyio.sleep(0.05)
        url = (
            "ws://" + log.read_text().partition("listening on http://")[2].partition("/")[0] + "/v1/realtime"
        )
        async with anyio.create_task_group() as tasks:
            for _ in range(NEIGHBOURS):
                await tasks.start(neighbour, url, waits_ms)
            await anyio.sleep(WARM_UP_S)
            waits_ms.clear()
            await anyio.sleep(MEASURED_S)
            before = waits_ms.copy()
            tasks.start_soon(speak if place in ALOUD else ask, url)
            await anyio.sleep(WARM_UP_S)
            waits_ms.clear()
            await anyio.sleep(2 * MEASURED_S)
            beside = waits_ms.copy()
            tasks.cancel_scope.cancel()
        process.kill()
    complaints = [line for line in log.read_text().splitlines() if " WARNING " in line or " ERROR " in line]
    named = any("misbehaving" in line or "of_the_plug_in" in line for line in complaints)
    return before, beside, named


async def neighbours(folder: Path, names: list[str]) -> None:
    """Measure each fault and print a table."""
    copy(Path(__file__).with_name("misbehaving.py"), folder)
    print("| plug-in | p50 before ms | p99 | p50 beside | p99 | p99 more | named in the log |")
    print("| --- " * 7 + "|")
    for name in names:
        before, beside, named = await measure(folder, *FAULTS[name])
        (a50, a99), (b50, b99) = (
            (cuts[49], cuts[98])
            for cuts in (quantiles(w, n=100, method="inclusive") for w in (before, beside))
        )
        more, told = f"{b99 - a99:+.1f}", "yes" if named else "no"
        print(f"| {name} | {a50:.1f} | {a99:.1f} | {b50:.1f} | {b99:.1f} | {more} | {told} |", flush=True)


async def main(words: list[str]) -> None:
    """Measure what is asked for."""
    with TemporaryDirectory() as made:
        folder = Path(made)
        lay_out(folder)
        if words[:1] in ([], ["start"]):
            await start(folder)
        if words[:1] in ([], ["neighbours"]):
            await neighbours(folder, words[1:] or list(FAULTS))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:], backend_options={"use_uvloop": True})

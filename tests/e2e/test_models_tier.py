"""The model tier on Ray Serve: two replicas of the embedded recogniser are one provider, also when one is killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from stages.ports import Transcript
from stages.providers.moonshine.recogniser import MoonshineRecogniser
from stages.providers.remote.stt import RemoteHearing, RemoteRecogniser, RemoteRecogniserSettings
from stages.providers.whisper.recogniser import RecogniserSettings
from tests.support.audio_maker import clip
from tests.support.hosted import frames
from tests.support.store_server import free_port

pytestmark = [
    pytest.mark.models,
    pytest.mark.timeout(1200),  # Ray starts a dozen processes, which takes a busy machine minutes
    pytest.mark.skipif(
        find_spec("ray") is None, reason="NO MODEL TIER WAS TESTED: Ray cannot be installed here"
    ),
]

DEFAULT_PORT = 8500
"""Of the tier; some of Ray's own ports are near."""

CLIPS = ("ps_goforward", "librivox_0880")
SESSIONS = 4


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class NotStarted(AssertionError):
    """It has ended before it served."""


def started() -> "Tier":
    """A tier that serves. Ray gives its own processes 30 s, which no setting changes; a full machine may take longer,
    so it is tried again."""
    for _ in range(2):
        with suppress(NotStarted):
            return Tier()
    return Tier()


class Tier:
    """`scripts/models-tier` in a process of its own."""

    def __init__(self) -> None:
        self.port = DEFAULT_PORT if is_free(DEFAULT_PORT) else free_port()
        self._mark = f"TIER_TEST={uuid4()}"
        name, _, value = self._mark.partition("=")
        command = [sys.executable, "-m", "stages.tier", "--tts", "none", "--stt-replicas", "2"]
        self.process = subprocess.Popen(
            [*command, "--cpus", "0.5", "--port", str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, name: value},
        )
        assert self.process.stdout is not None
        said = list[str]()
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("url = "):
                return
        self.stop()
        raise NotStarted("the tier did not start:\n" + "".join(said))

    def stop(self) -> int:
        """As Ctrl-C does; gives the exit code."""
        assert self.process.stdout is not None
        with self.process.stdout:
            self.process.send_signal(signal.SIGINT)
            return self.process.wait(60)

    def replicas(self) -> list[int]:
        """Their process ids."""
        return [pid for pid, words in self._processes() if words.startswith("ray::ServeReplica:stt")]

    def left(self) -> list[str]:
        """What still runs of it."""
        return [words for pid, words in self._processes() if pid != self.process.pid]

    def _processes(self) -> Iterator[tuple[int, str]]:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if self._mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name), (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # it has ended, or is another's


async def _converse(session: RemoteHearing, name: str, at_half: anyio.Event, go: anyio.Event) -> Transcript:
    """One turn: the words, in the middle of which something happens, and what was heard of them."""
    recognition = session.open(lambda _: None)
    pieces = list(frames(clip(name).read()))
    for number, piece in enumerate(pieces):
        recognition.push(piece)
        if number == len(pieces) // 2:
            at_half.set()
            await go.wait()
    try:
        return await recognition.final()
    finally:
        recognition.close()


async def _in_this_process(name: str) -> str:
    recogniser = await anyio.to_thread.run_sync(MoonshineRecogniser.from_settings, RecogniserSettings())
    try:
        recognition = recogniser.open()
        recognition.push(clip(name).read())
        return (await recognition.final()).text
    finally:
        await anyio.to_thread.run_sync(recogniser.close)


async def _with_one_killed(tier: Tier) -> list[str]:
    """What sessions at both replicas have heard when one was killed in the middle of a turn."""
    settings = RemoteRecogniserSettings(url=f"ws://127.0.0.1:{tier.port}", final_s=60)
    recogniser, heard, go = RemoteRecogniser(settings), dict[int, str](), anyio.Event()
    halves = [anyio.Event() for _ in range(SESSIONS)]
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(recogniser.session()) for _ in halves]

        async def turn(number: int) -> None:
            name = CLIPS[number % len(CLIPS)]
            heard[number] = (await _converse(sessions[number], name, halves[number], go)).text

        async with anyio.create_task_group() as tasks:
            for number in range(SESSIONS):
                tasks.start_soon(turn, number)
            for half in halves:
                await half.wait()
            os.kill(tier.replicas()[0], signal.SIGKILL)
            go.set()
    return [heard[number] for number in range(SESSIONS)]


def test_two_replicas_are_one_provider_and_one_killed_loses_no_turn() -> None:
    expected = [anyio.run(_in_this_process, name) for name in CLIPS]
    tier = started()
    try:
        assert len(tier.replicas()) == 2
        assert anyio.run(_with_one_killed, tier) == [expected[n % len(CLIPS)] for n in range(SESSIONS)]
    finally:
        code = tier.stop()
    assert code == 0
    assert not tier.left(), "Ctrl-C ends everything"

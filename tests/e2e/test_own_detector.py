"""A plug-in's speech detector behind a real socket, with real speech: it is asked beside the loop of all sessions."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest

from audio.formats import Samples
from server import VoiceServer
from server.client.client import RealtimeClient
from server.voice_server import ListeningServer
from tests.e2e.test_conversation import say
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.e2e

LOUD = 800
"""Of a sample: more than the noise of the recordings."""


class Detector:
    """Takes loud for speech; the first stream that it opens may be held, and then its every window is."""

    interface = 1
    rate_hz = 16_000
    frame_samples = 512

    def __init__(self) -> None:
        self.threads = set[str]()
        self.streams = 0
        self.holds_first = False
        self.is_held, self.let_go, self.goes_on = threading.Event(), threading.Event(), threading.Event()

    def open(self) -> "Stream":
        self.streams += 1
        return Stream(
            self, is_held=self.holds_first and self.streams == 2
        )  # one is opened to see what it is like


class Stream:
    """What hears one session."""

    rate_hz = Detector.rate_hz
    frame_samples = Detector.frame_samples

    def __init__(self, owner: Detector, *, is_held: bool) -> None:
        self._owner = owner
        self._is_held = is_held

    def score(self, frame: Samples) -> float:
        self._owner.threads.add(threading.current_thread().name)
        if self._is_held:
            self._owner.is_held.set()
            assert self._owner.let_go.wait(PATIENCE_S)
            self._owner.goes_on.set()
        return float(np.abs(frame.astype(np.int32)).max() > LOUD)

    def reset(self) -> None:
        """It remembers nothing."""


def detector_class(made: list[Detector], *, holds_first: bool) -> type[Detector]:
    """As an operator names it, with the object that the server makes of it in `made`."""

    class Own(Detector):
        """Takes loud for speech."""

        def __init__(self) -> None:
            super().__init__()
            self.holds_first = holds_first
            made.append(self)

    return Own


@asynccontextmanager
async def listening(made: list[Detector], *, holds_first: bool = False) -> AsyncIterator[ListeningServer]:
    detector: Any = detector_class(made, holds_first=holds_first)
    scripted: Any = {"stt": "scripted", "llm": "echo", "tts": "scripted", "end_of_turn": "none"}
    async with VoiceServer(**scripted, vad=detector).listening(port=0) as server:
        try:
            yield server
        finally:
            made[0].let_go.set()


async def answered(client: RealtimeClient) -> str:
    """The answer to something that is said aloud."""
    await say(client, "ps_goforward.wav")
    done = await client.receive_until("response.done", timeout_s=PATIENCE_S)
    assert done.event["response"]["status"] == "completed"
    return client.call.texts("response.output_audio_transcript.done", "transcript")[-1]


async def test_a_turn_that_it_hears_is_answered() -> None:
    made = list[Detector]()
    async with listening(made) as server, RealtimeClient(server.url) as client:
        assert await answered(client) == "You said: Hello there."
        types = [event["type"] for event in client.call.events()]
    assert types.index("input_audio_buffer.speech_started") < types.index("input_audio_buffer.speech_stopped")
    assert made[0].threads
    assert all(name.startswith("loop of ") for name in made[0].threads), "none is that of all sessions"


async def test_one_that_blocks_costs_its_own_session_and_not_the_neighbour() -> None:
    made = list[Detector]()
    async with listening(made, holds_first=True) as server, RealtimeClient(server.url) as held:
        await say(held, "ps_goforward.wav")
        with anyio.fail_after(PATIENCE_S):
            await anyio.to_thread.run_sync(made[0].is_held.wait)
        async with RealtimeClient(server.url) as neighbour:
            assert await answered(neighbour) == "You said: Hello there."
        assert not made[0].goes_on.is_set(), "the other is held all the while"

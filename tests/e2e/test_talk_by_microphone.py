"""`stageflow-voice talk` with real PortAudio, on a sound card of two pipes: a voice goes in, the answer comes out."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest
import soundfile
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from audio.files import read_audio
from audio.formats import Samples
from audio.resample import Resampler
from server.client.client import AUDIO_FRAME
from tests.support.audio_maker import SPEECH_DIR
from tests.support.dead_line import dead_line
from tests.support.live_server import live_server
from tests.support.patience import PATIENCE_S
from tests.support.sound_card import HAS_PORTAUDIO, RATE_HZ, sound_card
from tests.support.stock_agent import ANSWER, StockAgent
from tests.support.wire_tap import TappedCall, wire_tap

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not HAS_PORTAUDIO, reason="NO PORTAUDIO: the microphone is not tested; apt-get install libportaudio2"
    ),
]


class Talk:
    """The command, in a process of its own."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self.said = ""
        self._output = TextReceiveStream(process.stdout)

    async def until_said(self, *words: str) -> None:
        """Until it has printed these, one after the other."""
        with anyio.fail_after(PATIENCE_S):
            while not self._has_said(words):
                self.said += await self._output.receive()

    async def ended(self) -> int:
        """Its exit code, when it has ended; all that it has printed is in `said`."""
        with anyio.fail_after(PATIENCE_S):
            async for text in self._output:
                self.said += text
            return await self.process.wait()

    def _has_said(self, words: tuple[str, ...]) -> bool:
        at = 0
        for each in words:
            at = self.said.find(each, at)
            if at < 0:
                return False
            at += len(each)
        return True


@asynccontextmanager
async def talk(*words: str, **environment: str) -> AsyncIterator[Talk]:
    command = [sys.executable, "-m", "server", "talk", *words]
    async with await anyio.open_process(
        command, env=os.environ | environment, stdout=PIPE, stderr=PIPE
    ) as process:
        try:
            yield Talk(process)
        finally:
            if process.returncode is None:
                process.kill()


async def complaint(process: Process) -> str:
    """What it has printed to the error output."""
    assert process.stderr is not None
    with anyio.fail_after(PATIENCE_S):
        return "".join([text async for text in TextReceiveStream(process.stderr)])


async def hello() -> Samples:
    samples, rate_hz = await anyio.to_thread.run_sync(read_audio, SPEECH_DIR / "cards_001.wav")
    return Resampler(rate_hz, RATE_HZ).process(samples, last=True)


def sent_by(call: TappedCall) -> list[Samples]:
    """The audio of each answer, as the server has sent it."""
    answers: list[list[bytes]] = []
    for event in call.events():
        if event["type"] == "response.output_item.added":
            answers.append([])
        elif event["type"] == AUDIO_FRAME:
            answers[-1].append(event["data"])
    return [np.frombuffer(b"".join(frames), "<i2") for frames in answers]


def reports(call: TappedCall) -> dict[str, list[dict[str, Any]]]:
    """What the client has said of each answer, in order."""
    told: dict[str, list[dict[str, Any]]] = {}
    for event in call.events("client"):
        if event["type"] == "x_playback":
            told.setdefault(event["item_id"], []).append(event)
    return told


async def test_a_voice_goes_in_and_the_answer_comes_out_until_somebody_talks_over_it(tmp_path: Path) -> None:
    clip = await hello()
    record = tmp_path / "both.wav"
    async with (
        live_server(StockAgent()) as server,
        wire_tap(server.port) as tap,
        sound_card(tmp_path) as card,
    ):
        words = ("--url", tap.url, "--record", str(record))
        async with talk(*words, ALSA_CONFIG_PATH=str(card.config)) as talking:
            await talking.until_said("Ctrl-C ends", "echo is cancelled")
            card.say(clip)
            await talking.until_said("you: hello there")
            await card.until(lambda: not card.is_silent(for_s=0.1))
            card.say(clip)
            await talking.until_said("agent: One", "–")
            await card.until(lambda: card.is_silent(for_s=0.1))  # what the card had already got is played
            silent_s = anyio.current_time()
            await talking.until_said("–", "you: hello there", f"agent: {ANSWER.strip()}")
            await card.until(lambda: card.is_silent(for_s=0.5))
            talking.process.send_signal(signal.SIGINT)
            assert await talking.ended() == 0
            assert await complaint(talking.process) == ""
    (call,) = tap.calls
    cut, whole = reports(call).values()
    _, sent = sent_by(call)
    assert 0 < cut[-1]["played_samples"] < len(sent) * 0.7
    assert whole[-1]["played_samples"] == len(sent)
    both, _ = await anyio.to_thread.run_sync(partial(soundfile.read, record, dtype="int16"))
    person, agent = (np.flatnonzero(np.abs(side) > 500) for side in both.T)
    assert person[0] < agent[0] < person[-1] < agent[-1], "each is where it was heard"
    assert has_been_played(card.played(silent_s), sent)


def has_been_played(played: Samples, sent: Samples) -> bool:
    """Whether all of it was played in order, and nothing else. Silence in between counts for nothing: a client that had
    no core writes it."""
    return np.array_equal(played[played != 0], sent[sent != 0])


async def test_a_line_that_is_cut_in_the_middle_of_an_answer_costs_nothing_but_time(tmp_path: Path) -> None:
    clip = await hello()
    async with (
        live_server(StockAgent(), resume_grace_s=300.0) as server,
        dead_line(server.port) as line,
        sound_card(tmp_path) as card,
    ):
        url = f"127.0.0.1:{line.port}"
        async with talk("--url", url, ALSA_CONFIG_PATH=str(card.config)) as talking:
            await talking.until_said("Ctrl-C ends", "echo is cancelled")
            card.say(clip)
            await talking.until_said("you: hello there")
            await card.until(lambda: not card.is_silent(for_s=0.1))
            line.cut()
            lost, back = "the line was lost: taking the conversation up again", "the line is back"
            await talking.until_said(lost, back, f"agent: {ANSWER.strip()}")
            assert await server.sessions() == 1
            talking.process.send_signal(signal.SIGINT)
            assert await talking.ended() == 0
            assert await complaint(talking.process) == ""


async def test_a_line_that_is_typed_while_talking_is_answered(tmp_path: Path) -> None:
    async with live_server() as server, sound_card(tmp_path) as card:
        async with talk("--url", server.url, ALSA_CONFIG_PATH=str(card.config)) as talking:
            await talking.until_said("Ctrl-C ends", "echo is cancelled")
            assert talking.process.stdin is not None
            await talking.process.stdin.send(b"good morning\n")
            await talking.until_said("you: good morning", "agent: You said: good morning")
            talking.process.send_signal(signal.SIGINT)
            assert await talking.ended() == 0
            assert await complaint(talking.process) == ""


async def test_a_server_that_stops_ends_it_and_it_says_so(tmp_path: Path) -> None:
    async with sound_card(tmp_path) as card, AsyncExitStack() as stack:
        async with live_server() as server:
            command = talk("--url", server.url, ALSA_CONFIG_PATH=str(card.config))
            talking = await stack.enter_async_context(command)
            await talking.until_said("Ctrl-C ends")
            await server.until_sessions(1)
        assert await talking.ended() == 1
        assert "(the server has closed: 1001 the server is stopping)" in talking.said


async def test_devices_are_shown_and_chosen_by_name(tmp_path: Path) -> None:
    async with live_server() as server, sound_card(tmp_path) as card:
        alsa = {"ALSA_CONFIG_PATH": str(card.config)}
        async with talk("--list-devices", **alsa) as listing:
            assert await listing.ended() == 0
            assert "microphone, ALSA" in listing.said
        devices = ("--input-device", "microphone", "--output-device", "loudspeaker")
        async with talk("--url", server.url, *devices, **alsa) as talking:
            await talking.until_said("(microphone: microphone, loudspeaker: loudspeaker; Ctrl-C ends)")
            talking.process.send_signal(signal.SIGINT)
            assert await talking.ended() == 0
        async with talk("--url", server.url, "--input-device", "piano", **alsa) as lost:
            assert await lost.ended() == 1
            assert "there is no microphone 'piano'" in await complaint(lost.process)


async def test_without_a_device_or_a_server_it_says_what_to_do(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.conf"
    nothing.write_text("</usr/share/alsa/alsa.conf>\n")
    async with talk(ALSA_CONFIG_PATH=str(nothing)) as deaf:
        assert await deaf.ended() == 1
        assert "there is no microphone; --list-devices shows what there is" in await complaint(deaf.process)
    async with sound_card(tmp_path) as card:
        async with talk("--url", "ws://127.0.0.1:1/", ALSA_CONFIG_PATH=str(card.config)) as lonely:
            assert await lonely.ended() == 1
            assert "start one with scripts/serve" in await complaint(lonely.process)

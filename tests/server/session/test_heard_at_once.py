"""A frame of the microphone is heard where the connection brings it, and that changes nothing of what is heard."""

import base64
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from audio.formats import Samples
from audio.vad import WebRtcVad
from server.domain.values import SessionConfig
from server.output.link import stop_hearing
from tests.support.stage import AUDIO, Microphone, Stage, play, speak, speech, voice_v1

WAYS = pytest.mark.parametrize("is_prompt", [True, False], ids=["at once", "by the reader"])
WHO: ContextVar[str] = ContextVar("who", default="nobody")


def told(stage: Stage) -> list[tuple[float, str, Any, Any]]:
    """What the client was told, and when, of the microphone."""
    return [
        (round(at, 3), event["type"], event.get("audio_start_ms"), event.get("audio_end_ms"))
        for at, event in stage.wire.seen
    ]


async def talk(stage: Stage) -> None:
    for _ in range(2):
        await speak(stage, 0.8)
        await anyio.sleep(3)


async def talk_in_bytes(stage: Stage) -> None:
    microphone = Microphone(stage.wire)
    for _ in range(2):
        await microphone.speak(0.8)
        await anyio.sleep(3)


def test_the_same_is_heard_at_the_same_moments() -> None:
    at_once, by_the_reader = (
        play(lambda: Stage("Yes.", "No.", is_prompt=is_prompt), talk)  # noqa: B023  # played at once
        for is_prompt in (True, False)
    )
    assert told(at_once) == told(by_the_reader)
    assert at_once.wire.types().count("response.done") == 2


def test_the_same_is_heard_in_frames_of_bytes() -> None:
    at_once, by_the_reader = (
        play(lambda: Stage("Yes.", "No.", dialect=voice_v1, is_prompt=is_prompt), talk_in_bytes)  # noqa: B023
        for is_prompt in (True, False)
    )
    assert told(at_once) == told(by_the_reader)
    assert at_once.wire.types().count(AUDIO) == by_the_reader.wire.types().count(AUDIO) > 0


def test_the_reader_is_not_woken_for_it() -> None:
    at_once, by_the_reader = (
        play(lambda: Stage(is_prompt=is_prompt), lambda stage: speak(stage, 0.0, 2.0)).loop_turns  # noqa: B023
        for is_prompt in (True, False)
    )
    assert at_once <= by_the_reader - 90, "a hundred frames, of which those that buy audio are for the reader"


@WAYS
def test_all_is_obeyed_in_the_order_in_which_it_came(is_prompt: bool) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(
            2
        ):  # all at once: the first frame is heard as it comes, and the others wait behind commands
            await anyio.sleep(1)
            for audio in speech(0.3):
                stage.wire.say("input_audio_buffer.append", audio=audio)
            stage.wire.say("input_audio_buffer.clear")
            for audio in speech(0.2):
                stage.wire.say("input_audio_buffer.append", audio=audio)
            stage.wire.say("input_audio_buffer.commit")
        await stage.wire.until("input_audio_buffer.committed", 2)

    heard = [
        (type, stage.wire.types().count(type))
        for stage in [
            play(lambda: Stage(config=SessionConfig(turn_detection=None), is_prompt=is_prompt), story)
        ]
        for type in ("input_audio_buffer.cleared", "input_audio_buffer.committed", "error")
    ]
    assert heard == [
        ("input_audio_buffer.cleared", 2),
        ("input_audio_buffer.committed", 2),
        ("error", 0),
    ]


class Telling(WebRtcVad):
    """Notes in whose name it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def score(self, frame: Samples) -> float:
        self.asked.add(WHO.get())
        return super().score(frame)


@WAYS
def test_it_is_heard_in_the_name_of_its_session(is_prompt: bool) -> None:
    vad = Telling()

    def stage_of() -> Stage:
        stage = Stage(new_vad=lambda: vad, is_prompt=is_prompt)
        run = stage.session.run

        async def named() -> None:
            WHO.set("this session")
            await run()

        stage.session.run = named  # type: ignore[method-assign]
        return stage

    play(stage_of, lambda stage: speak(stage, 0.4))
    assert vad.asked == {"this session"}


class Broken(WebRtcVad):
    """Works for half a second."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def score(self, frame: Samples) -> float:
        self.asked += 1
        if self.asked > 25:
            raise RuntimeError("broken")
        return super().score(frame)


@WAYS
def test_a_detector_that_fails_ends_the_session_once(is_prompt: bool) -> None:
    stage = play(lambda: Stage(new_vad=Broken, is_prompt=is_prompt), lambda stage: speak(stage, 1.0))
    assert stage.wire.closed == (1011, "internal error")


def test_nothing_is_heard_of_a_client_that_was_told_to_leave() -> None:
    vads: list[Telling] = []

    def new_vad() -> Telling:
        vads.append(Telling())
        return vads[-1]

    async def story(stage: Stage) -> None:
        await speak(stage, 0.2, 0.0)
        vads[0].asked.clear()
        stop_hearing(stage.session.link)
        await speak(stage, 0.2, 0.0)

    stage = play(lambda: Stage(new_vad=new_vad, dialect=voice_v1, grace_s=5.0), story)
    assert vads[0].asked == set()
    assert stage.session.link.received_events == 10


def test_an_error_of_what_is_heard_at_once_is_told() -> None:
    async def story(stage: Stage) -> None:
        loud = base64.b64encode(bytes(960)).decode()
        for _ in range(50 * 62):
            stage.wire.say("input_audio_buffer.append", audio=loud)
            await anyio.sleep(0.02)

    stage = play(lambda: Stage(config=SessionConfig(turn_detection=None)), story)
    codes = {event["error"]["code"] for event in stage.wire.events() if event["type"] == "error"}
    assert codes == {"input_audio_buffer_full"}

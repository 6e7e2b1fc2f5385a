"""What a client's commit ends, and that it asks for nothing."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import anyio
import numpy as np
import pytest

from audio.formats import Samples
from audio.vad import WebRtcVad
from server.domain.values import SessionConfig, TurnDetection
from stages.testing.fakes import Conduct, Heard
from tests.support.stage import LONG, Microphone, Stage, play, speech, voice_v1
from tests.support.trace_checker import check_trace

CREATED, DONE = "response.created", "response.done"
SLOW = SessionConfig(turn_detection=TurnDetection(silence_duration_ms=2000))
VoiceStage = partial(Stage, dialect=voice_v1)


async def say(stage: Stage, seconds: float, silence_s: float = 0.0) -> None:
    silence = speech(silence_s)
    for audio in [*speech(seconds), *(["A" * len(audio) for audio in silence])]:
        stage.wire.say("input_audio_buffer.append", audio=audio)
        await anyio.sleep(0.02)


@pytest.mark.parametrize("silence_s", [0.0, 0.3])
def test_under_turn_detection_it_makes_no_answer_and_one_is_given_when_asked_for(silence_s: float) -> None:
    """In the middle of speech, and in a pause in which an answer is being prepared."""
    early: list[int] = []

    async def story(stage: Stage) -> None:
        await say(stage, 1.0, silence_s)
        stage.wire.say("input_audio_buffer.commit")
        await anyio.sleep(1.0)
        early.append(stage.wire.types().count(CREATED))
        stage.wire.say("response.create")
        await stage.wire.until(DONE)
        await anyio.sleep(3.0)

    stage = play(lambda: Stage("Fine.", config=SLOW), story)
    types = stage.wire.types()
    assert early == [0]
    assert (types.count(CREATED), types.count("error")) == (1, 0)
    assert [m.content for m in stage.model.requests[-1].messages if m.role == "user"] == ["hello there"]
    check_trace(stage.wire.events())


@pytest.mark.parametrize("silence_s", [0.0, 0.1, 0.7])
def test_turn_detection_that_goes_off_over_an_undecided_sound_leaves_a_session_that_takes_a_commit(
    silence_s: float,
) -> None:
    """While it goes on, while it pauses, and when it has ended and is being read."""

    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await anyio.sleep(1.5)
        microphone = Microphone(stage.wire)
        await microphone.speak(0.3, silence_s)
        off: dict[str, Any] = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        stage.wire.say("session.update", session=off)
        await microphone.send(np.full(4_800, 3_000, np.int16))
        stage.wire.say("input_audio_buffer.commit")
        await stage.wire.until("input_audio_buffer.committed")
        stage.wire.say("response.cancel")
        await anyio.sleep(1.0)
        stage.ask("again")
        await stage.wire.until(DONE, 2)

    late = Heard("mhm", conduct=Conduct(delay_s=3.0))
    stage = play(lambda: VoiceStage(LONG, "Fine.", heard=late), story)
    assert stage.wire.closed == (1000, "")
    assert stage.wire.types().count(CREATED) == 2, "of those who switch turns off, who asks is answered"


class Late:
    """WebRTC's detector, which answers when it is let, as one that is being loaded does."""

    rate_hz = WebRtcVad.rate_hz
    frame_samples = WebRtcVad.frame_samples

    def __init__(self) -> None:
        self._vad = WebRtcVad()
        self._asked: list[tuple[Sequence[Samples], Callable[[Sequence[float]], None]]] = []

    def ask(self, frames: Sequence[Samples], tell: Callable[[Sequence[float]], None]) -> None:
        self._asked.append((frames, tell))

    def answer(self) -> None:
        while self._asked:
            frames, tell = self._asked.pop(0)
            tell([self._vad.score(frame) for frame in frames])

    def reset(self) -> None:
        self._vad.reset()

    def close(self) -> None:
        """Whoever asked does not listen any more."""


def test_what_a_late_detector_has_not_scored_is_said_and_answered_when_asked_for() -> None:
    detector = Late()

    async def story(stage: Stage) -> None:
        await say(stage, 0.8)
        stage.wire.say("input_audio_buffer.commit")
        stage.wire.say("response.create")
        await stage.wire.until(DONE)
        for seconds, silence_s in ((0.4, 0.0), (0.4, 0.0), (0.0, 3.0)):
            detector.answer()
            await say(stage, seconds, silence_s)
        detector.answer()
        await anyio.sleep(3.0)

    stage = play(lambda: Stage("Fine.", "Too.", config=SLOW, new_vad=lambda: detector), story)
    types = stage.wire.types()
    assert types.count("error") == 0
    assert types.count("input_audio_buffer.committed") == 2, "what is said next is heard as ever"
    assert types.count(DONE) == 2
    asked = [[m.content for m in request.messages if m.role == "user"] for request in stage.model.requests]
    assert asked[0] == ["hello there"]
    check_trace(stage.wire.events())

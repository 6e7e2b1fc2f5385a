"""What is printed after a conversation with a recording is of the last answer, and of what became of the first."""

from typing import Any

import pytest

from audio.formats import SPEECH_HZ
from server.client.client import Received
from server.client.waterfall import interruption, onset_s, waterfall
from tests.support.audio_maker import join, silence, voice

TRANSCRIPT = "conversation.item.input_audio_transcription.completed"


def seen(at_ms: int, type: str, **fields: Any) -> Received:
    return Received(10 + at_ms / 1000, {"type": type, **fields})


def turn(at_ms: int, answer: str, chunks: int, status: str = "completed") -> list[Received]:
    """The end of a turn, its transcript 10 ms later and its answer from 20 ms on, a chunk each 100 ms."""
    own = {"response_id": answer}
    return [
        seen(at_ms, "input_audio_buffer.speech_stopped"),
        seen(at_ms + 10, TRANSCRIPT),
        seen(at_ms + 20, "response.created", response={"id": answer}),
        seen(at_ms + 25, "response.output_audio_transcript.delta", **own),
        *(seen(at_ms + 30 + 100 * chunk, "response.output_audio.delta", **own) for chunk in range(chunks)),
        seen(at_ms + 100 * chunks, "response.done", response={"id": answer, "status": status}),
    ]


def test_each_step_of_the_answer_is_told() -> None:
    assert waterfall(turn(500, "a", 3)) == [
        "the answer, since the server heard the end of the turn:",
        "  end of turn      0 ms",
        "  transcript      10 ms",
        "  first token     25 ms",
        "  first audio     30 ms",
        "  all sent       300 ms",
    ]


def test_of_two_answers_the_last_is_told() -> None:
    first, second = turn(0, "a", 3, "cancelled"), turn(2000, "b", 7)
    assert waterfall(first + second) == [
        "the last answer, since the server heard the end of the turn:",
        *waterfall(second)[1:],
    ]
    assert waterfall(first + second)[-1] == "  all sent       700 ms"


def test_without_a_turn_or_an_answer_nothing_is_invented() -> None:
    assert waterfall([seen(0, "session.created")]) == []
    assert len(waterfall(turn(0, "a", 3)[:2])) == 3
    assert interruption(turn(0, "a", 3)[:2], 10.0) == []


def test_an_interruption_is_measured_from_its_voice_to_the_last_audio_of_the_old_answer() -> None:
    received = turn(0, "a", 10, "cancelled") + turn(2000, "b", 7)
    assert interruption(received, 10.7) == [
        "the first answer, since the first voiced sample of the interruption was sent:",
        "  last audio     230 ms",
        "  all over       300 ms",
    ]
    assert interruption(received, 11.43)[1] == "  last audio    -500 ms"


def test_the_voice_begins_after_the_silence_of_the_recording() -> None:
    said = join([silence(500), voice(1000)])
    assert onset_s(said, SPEECH_HZ) == pytest.approx(0.5, abs=0.05)
    assert onset_s(silence(500), SPEECH_HZ) == 0

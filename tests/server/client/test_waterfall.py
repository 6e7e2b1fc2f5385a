"""What is printed after a conversation with a recording is of every answer, and of the one that was interrupted."""

from typing import Any

import pytest

from audio.formats import SPEECH_HZ
from server.client.client import Received
from server.client.waterfall import TypedText, in_words, interruption, turns_of, voiced_s, written_turns
from tests.support.audio_maker import join, silence, voice

TRANSCRIPT = "conversation.item.input_audio_transcription.completed"


def seen(at_ms: int, type: str, **fields: Any) -> Received:
    return Received(10 + at_ms / 1000, {"type": type, **fields})


def turn(at_ms: int, answer: str, chunks: int, status: str = "completed") -> list[Received]:
    """The end of a turn, its transcript 10 ms later and its answer from 20 ms on, a chunk each 100 ms."""
    own = {"response_id": answer}
    person = {"item_id": f"of {answer}"}
    return [
        seen(at_ms, "input_audio_buffer.speech_stopped", **person),
        seen(at_ms + 10, TRANSCRIPT, **person),
        seen(at_ms + 20, "response.created", response={"id": answer}),
        seen(at_ms + 25, "response.output_audio_transcript.delta", **own),
        *(seen(at_ms + 30 + 100 * chunk, "response.output_audio.delta", **own) for chunk in range(chunks)),
        seen(at_ms + 100 * chunks, "response.done", response={"id": answer, "status": status}),
    ]


def waterfall(received: list[Received], ends_s: list[float]) -> list[str]:
    return in_words(turns_of(received, ends_s))


def test_answers_to_what_was_typed_are_told_from_when_it_was_sent() -> None:
    """By what each answer was asked for: that of a text may come late, or not at all."""
    received = turn(50, "greeting", 1) + turn(100, "a", 3) + turn(1000, "b", 7)
    texts = iter((None, {"typed": "1"}, {"typed": "3"}))
    for one in received:
        if one.type == "response.created":
            one.event["response"]["metadata"] = next(texts)
    asked = [TypedText("1", 10.0), TypedText("2", 10.5), TypedText("3", 10.9)]
    first, second = written_turns(received, asked)
    assert (first.since, first.wait_ms, second.wait_ms) == ("text", 130, 130)
    assert in_words([first])[0] == "the answer, since the text was sent:"


def test_each_step_of_the_answer_is_told_from_the_last_voiced_sample() -> None:
    assert waterfall(turn(500, "a", 3), [9.1, 10.1, 11.0]) == [
        "the answer, since the last voiced sample was sent:",
        "  end of turn    400 ms",
        "  transcript     410 ms",
        "  first token    425 ms",
        "  first audio    430 ms",
        "  all sent       700 ms",
    ]


def test_every_answer_is_told_from_the_voice_before_it() -> None:
    first, second = turn(0, "a", 3), turn(2000, "b", 7)
    told = waterfall(first + second, [9.7, 11.0, 11.6])
    assert told[0] == "answer 1 of 2, since the last voiced sample was sent:"
    assert told[6] == "answer 2 of 2, since the last voiced sample was sent:"
    assert [line for line in told if "first audio" in line] == [
        "  first audio    330 ms",
        "  first audio    430 ms",
    ]


def test_the_steps_of_an_answer_are_its_own_however_they_mix() -> None:
    first, second = turn(0, "a", 3, "cancelled"), turn(200, "b", 7)
    mixed = sorted(first + second, key=lambda seen: seen.at_s)
    assert waterfall(mixed, [9.7, 9.9]) == waterfall(first + second, [9.7, 9.9])


def test_without_a_turn_or_an_answer_nothing_is_invented() -> None:
    assert waterfall([seen(0, "session.created")], [9.0]) == []
    assert waterfall(turn(0, "a", 3)[2:], [9.0]) == [], "the server spoke of its own accord"
    assert waterfall(turn(0, "a", 3)[:2], [9.0]) == []
    assert waterfall(turn(0, "a", 3), [])[0] == "the answer, since the server heard the end of the turn:"
    assert interruption(turn(0, "a", 3)[:2], 10.0) == []


def test_an_interruption_is_measured_from_its_voice_to_the_last_audio_of_the_old_answer() -> None:
    received = turn(0, "a", 10, "cancelled") + turn(2000, "b", 7)
    assert interruption(received, 10.7) == [
        "the interrupted answer, since the first voiced sample of the interruption was sent:",
        "  last audio     230 ms",
        "  all over       300 ms",
    ]
    assert interruption(received, 11.43)[1] == "  last audio    -500 ms"


def test_of_several_answers_the_one_that_was_heard_last_is_interrupted() -> None:
    received = turn(0, "a", 3) + turn(2000, "b", 10, "cancelled")
    assert interruption(received, 12.7)[1] == "  last audio     230 ms"


def test_the_stretches_of_voice_are_found() -> None:
    said = join([silence(500), voice(1000), silence(600), voice(800)])
    (first, second) = voiced_s(said, SPEECH_HZ)
    assert first == pytest.approx((0.5, 1.5), abs=0.06)
    assert second == pytest.approx((2.1, 2.9), abs=0.06)
    assert voiced_s(silence(500), SPEECH_HZ) == []

"""When nobody speaks after an answer, the server does, if and as soon as the client wants it."""

from typing import Any

import anyio
import pytest

from server.domain.deadlines import Deadlines
from stages.ports import NOTHING_SAID
from tests.support.stage import Stage, play, speak
from tests.support.trace_checker import check_trace

TRIGGERED = "input_audio_buffer.timeout_triggered"
ANSWER = "A table for four."
ANSWER_S = (
    0.07 * (1 + 5 + 3 + 5) + 0.06 * 4
)  # ScriptedVoice: 70 ms a letter, full stop included, 60 ms a word


def wants(stage: Stage, **detection: Any) -> None:
    turns = {"type": "server_vad", "idle_timeout_ms": 6000, **detection}
    audio_in = {"turn_detection": turns, "transcription": {"model": "any"}}
    stage.wire.say("session.update", session={"audio": {"input": audio_in}})


def first_at(stage: Stage, type: str) -> float:
    return next(at for at, event in stage.wire.seen if event["type"] == type)


def test_a_silence_is_taken_for_a_turn_and_answered() -> None:
    async def story(stage: Stage) -> None:
        wants(stage)
        stage.ask("hello")
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage(ANSWER, "Are you there?"), story)
    types = stage.wire.types()
    at = types.index(TRIGGERED)
    assert types[at : at + 6] == [
        TRIGGERED,
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    triggered = stage.wire.events()[at]
    assert {event["item_id"] for event in stage.wire.events()[at : at + 2]} == {triggered["item_id"]}
    assert (triggered["audio_start_ms"], triggered["audio_end_ms"]) == (0, 0)
    told = [(message.role, message.content) for message in stage.model.requests[1].messages]
    assert told[-2:] == [("assistant", ANSWER), ("user", NOTHING_SAID)]
    check_trace(stage.wire.events())


def test_the_silence_is_measured_from_the_end_of_playout() -> None:
    async def story(stage: Stage) -> None:
        wants(stage)
        stage.ask("hello")
        await stage.wire.until(TRIGGERED)

    stage = play(lambda: Stage(ANSWER), story)
    ended_at = first_at(stage, "response.output_audio.delta") + ANSWER_S
    assert first_at(stage, TRIGGERED) - ended_at == pytest.approx(6.0, abs=0.001)


def test_the_silence_is_told_in_milliseconds_of_the_audio_received() -> None:
    async def story(stage: Stage) -> None:
        wants(stage)
        stage.ask("hello")
        await stage.wire.until("response.done")
        await anyio.sleep(ANSWER_S)
        await speak(stage, 0.0, silence_s=6.5)
        await stage.wire.until(TRIGGERED)

    stage = play(lambda: Stage(ANSWER), story)
    triggered = next(event for event in stage.wire.events() if event["type"] == TRIGGERED)
    assert triggered["audio_end_ms"] - triggered["audio_start_ms"] == pytest.approx(6000, abs=ANSWER_S * 1000)
    assert triggered["audio_end_ms"] > 5000


@pytest.mark.parametrize("detection", [{"idle_timeout_ms": None}, {"type": "semantic_vad"}])
def test_who_does_not_want_it_is_left_in_peace(detection: dict[str, Any]) -> None:
    async def story(stage: Stage) -> None:
        wants(stage, **detection)
        stage.ask("hello")
        await stage.wire.until("response.done")
        await anyio.sleep(100)

    assert TRIGGERED not in play(lambda: Stage(ANSWER), story).wire.types()


def test_nobody_is_spoken_to_before_the_first_answer() -> None:
    async def story(stage: Stage) -> None:
        wants(stage)
        await anyio.sleep(100)

    assert TRIGGERED not in play(lambda: Stage(ANSWER), story).wire.types()


@pytest.mark.parametrize("creates", [True, False])
def test_who_speaks_ends_the_silence(creates: bool) -> None:
    async def story(stage: Stage) -> None:
        wants(stage, create_response=creates)
        stage.ask("hello")
        await stage.wire.until("response.done")
        await anyio.sleep(ANSWER_S + 4)
        await speak(stage, 3.0)
        await stage.wire.until("input_audio_buffer.committed")
        await anyio.sleep(4)

    assert TRIGGERED not in play(lambda: Stage(ANSWER), story).wire.types()


def test_who_answers_by_themselves_is_told_and_not_answered() -> None:
    async def story(stage: Stage) -> None:
        wants(stage, create_response=False)
        stage.ask("hello")
        await stage.wire.until(TRIGGERED)
        await anyio.sleep(100)

    stage = play(lambda: Stage(ANSWER), story)
    assert len(stage.model.requests) == 1
    assert stage.wire.types().count(TRIGGERED) == 1
    check_trace(stage.wire.events())


def test_it_can_be_switched_off_while_it_runs() -> None:
    async def story(stage: Stage) -> None:
        wants(stage)
        stage.ask("hello")
        await stage.wire.until("response.done")
        await anyio.sleep(ANSWER_S + 3)
        wants(stage, idle_timeout_ms=None)
        await anyio.sleep(100)

    assert TRIGGERED not in play(lambda: Stage(ANSWER), story).wire.types()


def test_audio_that_stops_in_the_middle_of_speech_ends_it_when_its_deadline_says() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0, silence_s=0.0)
        since = anyio.current_time()
        await stage.wire.until("input_audio_buffer.speech_stopped")
        assert anyio.current_time() - since == pytest.approx(5.0, abs=0.1)

    play(lambda: Stage(ANSWER, deadlines=Deadlines(stall_s=5.0)), story)

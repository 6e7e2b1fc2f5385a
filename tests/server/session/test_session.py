"""A whole session in virtual time, from the first word to the last sample of the answer."""

import anyio
import pytest

from stageflow.tools import Tool, ToolCall
from stages.errors import ProviderError
from stages.testing.fakes import Conduct, Said
from stages.testing.virtual_time import run_virtual
from tests.support.stage import LONG, SlowGuard, Stage, play, speak
from tests.support.trace_checker import check_trace


def test_a_spoken_turn_is_answered_and_the_trace_is_in_order() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Hello to you."), story)
    check_trace(stage.wire.events())
    assert stage.model.requests[0].messages[-1].content == "hello there"
    assert stage.wire.closed == (1000, "")


def test_barge_in_lets_no_audio_out_though_the_voice_does_not_obey() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        await speak(stage, 1.0, 0.0)
        await stage.wire.until("response.done")
        await anyio.sleep(6.0)

    stage = play(lambda: Stage(LONG, "Yes?", voice=Conduct(gap_s=0.05, stubborn_s=5.0)), story)
    types = stage.wire.types()
    started = types.index("input_audio_buffer.speech_started")
    done = stage.wire.events()[types.index("response.done")]["response"]
    assert done["status"] == "cancelled"
    spoken = [
        event["type"] == "response.output_audio.delta" and event["response_id"] == done["id"]
        for event in stage.wire.events()
    ]
    assert any(spoken[:started])
    assert not any(spoken[started:])


def test_the_model_is_given_only_what_was_heard_of_an_interrupted_answer() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        await anyio.sleep(2.0)
        await speak(stage, 1.0)
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage(LONG, "Yes?"), story)
    remembered = next(message for message in stage.model.requests[1].messages if message.role == "assistant")
    assert remembered.content.endswith("[interrupted by the user]")
    heard = remembered.content.removesuffix(" [interrupted by the user]")
    assert LONG.startswith(heard)
    assert 0 < len(heard) < len(LONG) / 2


@pytest.mark.parametrize("blocks", [False, True])
def test_a_tool_with_effects_waits_for_the_guard(blocks: bool) -> None:
    called_at: dict[str, float] = {}

    async def look() -> str:
        """Look for a table."""
        called_at["look"] = anyio.current_time()
        return "free"

    async def book() -> str:
        """Book a table."""
        called_at["book"] = anyio.current_time()
        return "booked"

    async def story(stage: Stage) -> None:
        stage.ask("a table")
        await stage.wire.until("response.done")

    calls = (ToolCall("c1", "look", "{}"), ToolCall("c2", "book", "{}"))
    tools = (Tool.of(look, effect="none"), Tool.of(book, effect="irreversible"))
    play(lambda: Stage(Said(calls=calls), "Done.", tools=tools, guard=SlowGuard(blocks=blocks)), story)
    assert called_at.pop("look") < 1.0
    assert ("book" in called_at) == (not blocks)
    assert called_at.get("book", 1.0) >= 1.0


@pytest.mark.parametrize("blocks", [False, True])
def test_nothing_of_an_answer_leaves_before_the_guard_has_passed(blocks: bool) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Hello to you.", guard=SlowGuard(blocks=blocks)), story)
    deltas = ("response.output_audio_transcript.delta", "response.output_audio.delta")
    assert min(at for at, event in stage.wire.seen if event["type"] in deltas) >= 1.0
    said = [event["delta"] for event in stage.wire.events() if event["type"] == deltas[0]]
    assert "".join(said) == ("I must not." if blocks else "Hello to you.")
    check_trace(stage.wire.events())


def test_typed_words_that_were_blocked_never_reach_the_model() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("a forbidden word", "text")
        await stage.wire.until("response.done")
        stage.ask("hello", "text")
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage("One.", "Two.", blocked=("forbidden",)), story)
    contents = [message.content for message in stage.model.requests[-1].messages]
    assert "a forbidden word" not in contents


def test_a_text_response_refuses_in_text() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("a forbidden word", "text")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("No.", blocked=("forbidden",)), story)
    said = [event["delta"] for event in stage.wire.events() if event["type"] == "response.output_text.delta"]
    assert "".join(said) == "I must not."
    assert "response.output_audio.delta" not in stage.wire.types()
    check_trace(stage.wire.events())


def test_a_failing_model_is_apologised_for_and_the_session_goes_on() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        first = await stage.wire.until("response.done")
        assert first["response"]["status"] == "failed"
        await anyio.sleep(10)
        stage.ask("again")
        assert (await stage.wire.until("response.done", 2))["response"]["status"] == "completed"

    broken = Said(text="", conduct=Conduct(fails=ProviderError))
    stage = play(lambda: Stage(broken, broken, "Better."), story)  # it is asked once more
    apology = next(e for e in stage.wire.events() if e["type"] == "response.output_audio_transcript.done")
    assert "Sorry" in apology["transcript"]


def test_a_model_that_never_answers_is_given_up_and_said_so() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        first = await stage.wire.until("response.done")
        assert first["response"]["status"] == "failed"

    hanging = Said(text="", conduct=Conduct(hangs=True))
    stage = play(lambda: Stage(hanging), story)
    assert "response.output_audio.delta" in stage.wire.types()


def test_a_turn_that_is_stuck_fails_and_is_apologised_for_aloud() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Hello.", guard=SlowGuard(blocks=False, delay_s=1000)), story)
    (done,) = (event["response"] for event in stage.wire.events() if event["type"] == "response.done")
    assert done["status"] == "failed"
    assert [item["content"][0]["transcript"][:5] for item in done["output"]] == ["Sorry"]
    check_trace(stage.wire.events())


@pytest.mark.parametrize("state", ["listening", "hearing", "thinking", "speaking"])
def test_hanging_up_in_any_state_ends_the_session(state: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.wire.until("session.created")
        if state == "hearing":
            await speak(stage, 1.0, 0.0)
            await stage.wire.until("input_audio_buffer.speech_started")
        if state in ("thinking", "speaking"):
            stage.ask("talk")
            await stage.wire.until("response.created")
        if state == "speaking":
            await stage.wire.until("response.output_audio.delta")

    answer = Said(text="late", conduct=Conduct(delay_s=5.0)) if state == "thinking" else Said(text=LONG)
    stage = play(lambda: Stage(answer), story)  # returns only when every task of the session has ended
    assert stage.wire.closed == (1000, "")
    assert stage.wire.types()[0] == "session.created"


def test_a_session_that_is_too_old_is_told_and_closed() -> None:
    async def main() -> Stage:
        stage = Stage("hello")
        await stage.session.run()
        return stage

    stage = run_virtual(main)
    assert stage.wire.closed is not None
    assert stage.wire.closed[0] == 1001
    assert stage.wire.events()[-1]["error"]["code"] == "session_expired"


def test_a_second_response_while_one_is_active_is_refused_by_the_requests_id() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        stage.wire.say("response.create", event_id="mine")
        error = (await stage.wire.until("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] == "mine"
        stage.wire.say("response.cancel")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage(LONG), story)
    check_trace(stage.wire.events())

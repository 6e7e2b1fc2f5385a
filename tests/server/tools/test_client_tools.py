"""Tools that the client runs, over a whole session in virtual time."""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.conversation.history import PENDING
from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.testing.fakes import Said
from tests.support.stage import LONG, SlowGuard, Stage, play, speak
from tests.support.trace_checker import check_trace

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "How the weather is.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ASK = ToolCall("call_0", "weather", '{"city": "Rome"}')
CREATED, DONE = "conversation.item.added", "response.done"


async def has_tools(stage: Stage, *tools: dict[str, Any], **session: Any) -> None:
    stage.wire.say("session.update", session={"type": "realtime", "tools": tools or [WEATHER], **session})
    await stage.wire.until("session.updated")


def give(stage: Stage, call_id: str, output: str) -> None:
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    stage.wire.say("conversation.item.create", item=item)


async def called(stage: Stage, count: int = 1) -> dict[str, Any]:
    """The `count`th call that the client is told of."""
    return await stage.wire.until("response.function_call_arguments.done", count)


def told(stage: Stage, request: int = -1) -> list[tuple[str, str]]:
    """What the model was told last, without its instructions."""
    messages: tuple[Message, ...] = stage.model.requests[request].messages
    return [(message.role, message.content) for message in messages if message.role != "system"]


def check_calls(messages: Sequence[Message]) -> None:
    """Right behind every call is its result, as chat servers demand it; no id comes twice."""
    wanted: list[str] = []
    seen: set[str] = set()
    for message in messages:
        assert bool(wanted) == (message.role == "tool"), messages
        if wanted:
            assert message.tool_call_id == wanted.pop(0)
        wanted += [call.id for call in message.tool_calls]
        assert seen.isdisjoint(wanted[: len(message.tool_calls)])
        seen.update(call.id for call in message.tool_calls)
    assert not wanted


def ends(stage: Stage) -> list[tuple[str, list[str]]]:
    """How each response ended, and the kinds of its items."""
    responses = [event["response"] for event in stage.wire.events() if event["type"] == DONE]
    return [(response["status"], [item["type"] for item in response["output"]]) for response in responses]


@pytest.mark.parametrize("modality", ["audio", "text"])
def test_a_call_goes_out_and_its_result_is_answered(modality: str) -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("And in Rome?", modality)
        call = await called(stage)
        assert (call["name"], call["arguments"]) == ("weather", '{"city": "Rome"}')
        await stage.wire.until(DONE)
        give(stage, call["call_id"], "sunny")
        stage.wire.say("response.create", response={"output_modalities": [modality]})
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage(Said("One moment.", (ASK,)), "It is sunny."), story)
    check_trace(stage.wire.events())
    assert ends(stage) == [("completed", ["message", "function_call"]), ("completed", ["message"])]
    assert told(stage) == [("user", "And in Rome?"), ("assistant", "One moment."), ("tool", "sunny")]
    (call,) = stage.model.requests[-1].messages[-2].tool_calls
    assert (call.name, call.arguments) == ("weather", '{"city": "Rome"}')
    assert stage.model.requests[-1].messages[-1].tool_call_id == call.id


def test_a_call_without_a_word_after_speech_is_a_response_of_its_own() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        await speak(stage, 1.0)
        give(stage, (await called(stage))["call_id"], "sunny")
        stage.wire.say("response.create")
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage(Said(calls=(ASK,)), "It is sunny."), story)
    check_trace(stage.wire.events())
    assert ends(stage) == [("completed", ["function_call"]), ("completed", ["message"])]
    assert told(stage) == [("user", "hello there"), ("assistant", ""), ("tool", "sunny")]


def test_several_calls_are_answered_once_all_results_are_there() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Rome and Oslo?", "text")
        await stage.wire.until(DONE)
        first, second = (await called(stage))["call_id"], (await called(stage, 2))["call_id"]
        assert first != second
        give(stage, second, "snow")
        give(stage, first, "sunny")
        stage.wire.say("response.create", response={"output_modalities": ["text"]})
        await stage.wire.until(DONE, 2)

    oslo = ToolCall("call_0", "weather", '{"city": "Oslo"}')
    stage = play(lambda: Stage(Said(calls=(ASK, oslo)), "Sun and snow."), story)
    check_trace(stage.wire.events())
    assert told(stage)[1:] == [("assistant", ""), ("tool", "sunny"), ("tool", "snow")]


def test_tools_of_both_in_one_breath() -> None:
    ran: list[str] = []

    async def clock() -> str:
        """The time of day."""
        ran.append("clock")
        return "noon"

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Weather and time?", "text")
        give(stage, (await called(stage))["call_id"], "sunny")
        stage.wire.say("response.create", response={"output_modalities": ["text"]})
        await stage.wire.until(DONE, 2)

    ours = ToolCall("call_0", "clock")  # an id that is its own for one request only
    script = (Said("Hm.", (ours,)), Said(calls=(ours, ASK)), "Sunny, and noon.")
    stage = play(lambda: Stage(*script, tools=(Tool.of(clock, effect="none"),)), story)
    check_trace(stage.wire.events())
    assert ran == ["clock", "clock"]
    assert ends(stage)[0] == ("completed", ["message", "function_call"])  # ours is nobody else's business
    assert told(stage)[1:] == [("assistant", "Hm. "), ("tool", "noon"), ("tool", "noon"), ("tool", "sunny")]
    check_calls(stage.model.requests[-1].messages)


def test_a_result_that_comes_after_a_barge_in_is_not_lost() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("And in Rome?")
        call = await called(stage)
        await stage.wire.until(DONE)
        await anyio.sleep(1.4)  # for the last of the preamble to be heard
        await speak(stage, 1.0)  # while the client is still looking
        await stage.wire.until(DONE, 2)
        give(stage, call["call_id"], "sunny")
        await anyio.sleep(10)
        stage.wire.say("response.create")
        await stage.wire.until(DONE, 3)

    stage = play(lambda: Stage(Said("One moment.", (ASK,)), "I am looking.", "It is sunny."), story)
    check_trace(stage.wire.events())
    meanwhile, after = told(stage, 1), told(stage, 2)
    assert meanwhile[1:] == [("assistant", "One moment."), ("tool", PENDING), ("user", "hello there")]
    assert after[1:5] == [
        ("assistant", "One moment."),
        ("tool", "sunny"),
        ("user", "hello there"),
        ("assistant", "I am looking."),
    ]


def test_a_call_that_was_talked_over_before_it_went_out_was_never_made() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("And in Rome?")
        await stage.wire.until("response.output_audio.delta")
        await speak(stage, 1.0)
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage(Said("One moment, please, I am looking. " * 5, (ASK,)), "Yes?"), story)
    check_trace(stage.wire.events())
    assert ends(stage) == [("cancelled", ["message"]), ("completed", ["message"])]
    assert "tool" not in [role for role, _ in told(stage)]


@pytest.mark.parametrize("blocks", [False, True])
def test_a_call_waits_for_the_guard(blocks: bool) -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("And in Rome?")
        await stage.wire.until(DONE)

    stage = play(lambda: Stage(Said(calls=(ASK,)), guard=SlowGuard(blocks=blocks)), story)
    check_trace(stage.wire.events())
    at = [at for at, event in stage.wire.seen if event["type"] == "response.function_call_arguments.done"]
    assert (not at) if blocks else (at[0] >= 1.0)


def test_a_call_is_not_made_for_words_that_were_not_the_last() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        await speak(stage, 1.0, 0.3)  # a pause in which the answer is prepared
        await speak(stage, 1.0)
        await stage.wire.until(DONE)

    stage = play(lambda: Stage(Said(calls=(ASK,)), "All right."), story)
    check_trace(stage.wire.events())
    assert len(stage.model.requests) == 2
    assert "response.function_call_arguments.done" not in stage.wire.types()


def test_what_came_of_a_call_that_nobody_made_is_refused() -> None:
    async def story(stage: Stage) -> None:
        item = {"type": "function_call_output", "call_id": "call_x", "output": "sunny"}
        stage.wire.say("conversation.item.create", item=item, event_id="c7")
        error = (await stage.wire.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("invalid_tool_call_id", "c7")

    stage = play(lambda: Stage("Hello."), story)
    assert CREATED not in stage.wire.types()


def test_a_client_may_bring_calls_and_results_of_its_own() -> None:
    async def story(stage: Stage) -> None:
        for item in (
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Rome?"}]},
            {"type": "function_call", "call_id": "old", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "old", "output": "sunny"},
        ):
            stage.wire.say("conversation.item.create", item=item)
        await stage.wire.until("conversation.item.done", 3)
        stage.wire.say("conversation.item.retrieve", item_id=stage.wire.events()[-1]["item"]["id"])
        assert (await stage.wire.until("conversation.item.retrieved"))["item"]["output"] == "sunny"
        stage.ask("And?", "text")
        await stage.wire.until(DONE)

    stage = play(lambda: Stage("Sunny."), story)
    check_trace(stage.wire.events())
    assert told(stage) == [("user", "Rome?"), ("assistant", ""), ("tool", "sunny"), ("user", "And?")]


def test_the_choice_of_a_tool_reaches_the_model_and_holds_for_one_response() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.wire.say("response.create", response={"output_modalities": ["text"], "tool_choice": "required"})
        await stage.wire.until(DONE)
        stage.wire.say("response.create", response={"output_modalities": ["text"], "tool_choice": "none"})
        await stage.wire.until(DONE, 2)
        stage.wire.say("response.create", response={"output_modalities": ["text"], "tools": []})
        await stage.wire.until(DONE, 3)
        stage.wire.say("response.create", response={"output_modalities": ["text"]})
        await stage.wire.until(DONE, 4)

    stage = play(lambda: Stage("Fine."), story)
    offered = [([t.name for t in asked.tools], asked.tool_choice) for asked in stage.model.requests]
    assert offered == [(["weather"], "required"), ([], "auto"), ([], "auto"), (["weather"], "auto")]


def test_words_that_wait_behind_a_result_are_still_guarded() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("And in Rome?", "text")
        call = await called(stage)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "forbidden"}]}
        stage.wire.say("conversation.item.create", item=item)
        give(stage, call["call_id"], "sunny")
        stage.wire.say("response.create", response={"output_modalities": ["text"]})
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage(Said(calls=(ASK,)), "Sunny.", blocked=("forbidden",)), story)
    done = [event["text"] for event in stage.wire.events() if event["type"] == "response.output_text.done"]
    assert done == ["I must not."]


def test_a_result_is_kept_when_the_answer_to_it_is_talked_over() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("And in Rome?", "text")
        give(stage, (await called(stage))["call_id"], "sunny")
        stage.wire.say("response.create")
        await stage.wire.until("response.output_audio.delta")
        await speak(stage, 1.0)
        await stage.wire.until(DONE, 3)

    stage = play(lambda: Stage(Said(calls=(ASK,)), LONG, "Yes?"), story)
    check_trace(stage.wire.events())
    assert ends(stage)[1] == ("cancelled", ["message"])
    assert ("tool", "sunny") in told(stage)


def test_a_follow_up_that_comes_too_early_is_refused_and_may_be_asked_for_again() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("And in Rome?")
        call = await called(stage)
        give(stage, call["call_id"], "sunny")
        stage.ask("talk")
        stage.wire.say("response.create", event_id="c4")
        error = (await stage.wire.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "c4")
        await stage.wire.until(DONE, 2)
        stage.wire.say("response.create")
        await stage.wire.until(DONE, 3)

    stage = play(lambda: Stage(Said(calls=(ASK,)), LONG, "Sunny."), story)
    check_trace(stage.wire.events())
    assert ("tool", "sunny") in told(stage)


# --- any conversation -------------------------------------------------------------------------------------

SAID = st.sampled_from(
    ["All right.", LONG, Said(calls=(ASK,)), Said("One moment.", (ASK, ASK)), Said(LONG, (ASK,))]
)
SOUNDS = st.lists(st.tuples(st.floats(0.05, 4.0), st.floats(0.2, 1.5)), min_size=1, max_size=3)


@pytest.mark.no_cover
@settings(max_examples=40)
@given(st.lists(SAID, min_size=1, max_size=4), SOUNDS, st.floats(0.0, 3.0), st.booleans())
def test_whenever_people_speak_and_results_come_none_is_lost(
    script: list[str | Said], sounds: list[tuple[float, float]], takes_s: float, is_patient: bool
) -> None:
    given_out: dict[str, str] = {}

    async def run_tools(stage: Stage) -> None:
        while len(given_out) < 6:
            call_id = (await called(stage, len(given_out) + 1))["call_id"]
            given_out[call_id] = f"sunny {len(given_out)}"
            if is_patient:
                await stage.wire.until(DONE, len(given_out))
            await anyio.sleep(takes_s)
            give(stage, call_id, given_out[call_id])
            stage.wire.say("response.create")

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_tools, stage)
            for pause_s, voice_s in sounds:
                await speak(stage, voice_s, 0.7)
                await anyio.sleep(pause_s)
            await anyio.sleep(20)
            tasks.cancel_scope.cancel()

    stage = play(lambda: Stage(*script), story)
    check_trace(stage.wire.events(), ended=False)
    for request in stage.model.requests:
        check_calls(request.messages)
    remembered = [message.content for message in stage.session.messages() if message.role == "tool"]
    arrived = [
        event["item"]["output"]
        for event in stage.wire.events()
        if event["type"] == CREATED and event["item"]["type"] == "function_call_output"
    ]
    assert set(arrived) <= set(remembered)
    codes = {event["error"]["code"] for event in stage.wire.events() if event["type"] == "error"}
    assert codes <= {"conversation_already_has_active_response"}

"""Commands that a client gets wrong, or gives at an odd moment: an error names the field, or the command is obeyed, and
the session goes on."""

import base64
from typing import Any

import anyio
import pytest

from stages.testing.fakes import Heard
from tests.support.stage import LONG, Stage, play, speak, speech
from tests.support.trace_checker import check_trace

ADD, CREATE, DONE = "conversation.item.create", "response.create", "response.done"
TEXT = ["text"]
MANUAL = {"audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}}
TOOLS = [{"type": "function", "name": "look", "parameters": {}}]


def typed(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
        **fields,
    }


def output(call_id: str = "nobody") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "1"}


def request(**response: Any) -> tuple[str, dict[str, Any]]:
    return CREATE, {"response": {"output_modalities": TEXT, "conversation": "none", **response}}


REFUSED: list[tuple[tuple[str, dict[str, Any]], str, str | None]] = [
    ((ADD, {"item": typed("b", id="known")}), "invalid_value", "item.id"),
    ((ADD, {"item": typed("b"), "previous_item_id": "nobody"}), "invalid_value", "previous_item_id"),
    ((ADD, {"item": typed("b", id="")}), "invalid_value", "item.id"),
    ((ADD, {"item": output()}), "invalid_tool_call_id", "item.call_id"),
    ((ADD, {"item": {**output(), "output": {"a": 1}}}), "invalid_type", "item.output"),
    (("conversation.item.delete", {"item_id": "nobody"}), "item_delete_invalid_item_id", "item_id"),
    (("conversation.item.retrieve", {"item_id": "nobody"}), "item_retrieve_invalid_item_id", "item_id"),
    (
        ("conversation.item.truncate", {"item_id": "nobody", "audio_end_ms": 0}),
        "item_truncate_invalid_item_id",
        "item_id",
    ),
    (request(input=[{"type": "item_reference", "id": "nobody"}]), "invalid_value", "response.input[0].id"),
    (
        request(input=[typed("a"), {"type": "item_reference", "id": "nobody"}]),
        "invalid_value",
        "response.input[1].id",
    ),
    (request(input=[typed("a", id="x"), typed("b", id="x")]), "invalid_value", "response.input[1].id"),
    (request(input=[typed("a"), output()]), "invalid_tool_call_id", "response.input[1].call_id"),
    (request(metadata={f"k{n}": "v" for n in range(17)}), "invalid_value", "response.metadata"),
    (request(metadata={"k": "v" * 513}), "invalid_value", "response.metadata.k"),
    (request(metadata={"k": 1}), "invalid_type", "response.metadata.k"),
    (request(max_output_tokens=4097), "invalid_value", "response.max_output_tokens"),
    (
        request(tools=TOOLS, tool_choice={"type": "function", "name": "g"}),
        "invalid_value",
        "response.tool_choice",
    ),
    (request(instructions="x" * 100_001), "invalid_value", "response.instructions"),
    (("response.cancel", {"response_id": "nobody"}), "response_cancel_not_active", None),
    (("input_audio_buffer.commit", {}), "input_audio_buffer_commit_empty", None),
    (("input_audio_buffer.append", {"audio": "AAA-_"}), "invalid_value", "audio"),
    (("input_audio_buffer.append", {"audio": "data:audio/wav;base64,AAAA"}), "invalid_value", "audio"),
]


@pytest.mark.no_cover
@pytest.mark.parametrize(("command", "code", "param"), REFUSED)
def test_what_is_wrong_is_told_by_its_field_and_the_session_goes_on(
    command: tuple[str, dict[str, Any]], code: str, param: str | None
) -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say(ADD, item=typed("a", id="known"))
        stage.wire.say(command[0], event_id="U", **command[1])
        await stage.wire.until("error")
        stage.ask("hello", "text")
        await stage.wire.until(DONE)

    stage = play(lambda: Stage("Fine."), story)
    (error,) = (event["error"] for event in stage.wire.events() if event["type"] == "error")
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "U")
    (done,) = (event["response"] for event in stage.wire.events() if event["type"] == DONE)
    assert done["status"] == "completed"


def test_a_commit_of_nothing_is_refused_in_the_words_by_which_clients_know_it() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("input_audio_buffer.commit")
        await stage.wire.until("error")

    stage = play(lambda: Stage("Fine."), story)
    (error,) = (event["error"] for event in stage.wire.events() if event["type"] == "error")
    told = "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio"
    assert error["message"].startswith(told)


@pytest.mark.parametrize(
    "response",
    [
        {"input": []},
        {"input": [typed("beside", id="known")]},
        {"input": [{"type": "function_call", "call_id": "c", "name": "look", "arguments": "{"}, output("c")]},
        {"metadata": {f"k{n}": "v" * 512 for n in range(16)}},
        {"max_output_tokens": 4096},
        {"tools": TOOLS, "tool_choice": {"type": "function", "name": "look"}},
        {"instructions": "x" * 100_000},
    ],
)
def test_what_lies_within_the_limits_is_answered(response: dict[str, Any]) -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say(ADD, item=typed("a", id="known"))
        stage.wire.say(request()[0], response={**request(**response)[1]["response"]})
        await stage.wire.until(DONE)

    stage = play(lambda: Stage("Fine."), story)
    assert "error" not in stage.wire.types()
    (done,) = (event["response"] for event in stage.wire.events() if event["type"] == DONE)
    assert (done["status"], done["metadata"]) == ("completed", response.get("metadata"))


@pytest.mark.parametrize(
    "audio",
    [
        {"input": {"turn_detection": None}},
        {"input": {"turn_detection": {"type": "semantic_vad"}}},
        {"input": {"format": {"type": "audio/pcmu"}}},
        {"output": {"voice": "alto", "speed": 1.2}},
    ],
)
def test_settings_that_change_within_an_utterance_leave_it_whole(audio: dict[str, Any]) -> None:
    async def story(stage: Stage) -> None:
        silence = base64.b64encode(bytes(960)).decode()
        for number, frame in enumerate([*speech(1.0), *[silence] * 80]):
            if number == 25:
                stage.wire.say("session.update", session={"audio": audio})
            stage.wire.say("input_audio_buffer.append", audio=frame)
            await anyio.sleep(0.02)
        if "turn_detection" in audio.get("input", {}) and audio["input"]["turn_detection"] is None:
            stage.wire.say("input_audio_buffer.commit")
            stage.wire.say(CREATE)
        await stage.wire.until(DONE)

    stage = play(lambda: Stage("Fine."), story)
    types = [kind for kind in stage.wire.types() if kind.startswith("input_audio_buffer")]
    assert types == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    check_trace(stage.wire.events())


@pytest.mark.parametrize("late_id", [True, False])
def test_a_cancellation_that_comes_too_late_leaves_the_next_response_alone(late_id: bool) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hi")
        first = (await stage.wire.until(DONE))["response"]["id"]
        stage.wire.say(CREATE)
        await stage.wire.until("response.created", 2)
        stage.wire.say("response.cancel", event_id="C", response_id=first if late_id else "nobody")
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage(LONG, "Fine."), story)
    ends = [event["response"]["status"] for event in stage.wire.events() if event["type"] == DONE]
    assert ends == ["completed", "completed"]
    (error,) = (event["error"] for event in stage.wire.events() if event["type"] == "error")
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "C")
    check_trace(stage.wire.events())


def test_an_answer_that_is_deleted_while_it_is_spoken_is_spoken_to_its_end_and_forgotten() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hi")
        item_id = (await stage.wire.until("response.output_item.added"))["item"]["id"]
        await anyio.sleep(1.0)
        stage.wire.say("conversation.item.delete", item_id=item_id)
        stage.wire.say("conversation.item.truncate", item_id=item_id, audio_end_ms=500, event_id="T")
        await stage.wire.until(DONE)
        stage.ask("again", "text")
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage(LONG, "Fine."), story)
    (error,) = (event["error"] for event in stage.wire.events() if event["type"] == "error")
    assert (error["code"], error["event_id"]) == ("item_truncate_invalid_item_id", "T")
    said = [(m.role, m.content) for m in stage.model.requests[-1].messages if m.role != "system"]
    assert said == [("user", "hi"), ("user", "again")]
    check_trace(stage.wire.events())


@pytest.mark.parametrize("heard", ["", "wait please"])
@pytest.mark.parametrize("seconds", [0.2, 1.0])
def test_a_request_that_a_sound_without_words_cancels_is_answered_after_all(
    heard: str, seconds: float
) -> None:
    """It waited for the end of the last answer; words would have been answered instead of it, and it with them."""

    async def story(stage: Stage) -> None:
        stage.ask("hi")
        await stage.wire.until(DONE)
        stage.wire.say(ADD, item=typed("and tomorrow?"))
        stage.wire.say(CREATE)
        await speak(stage, seconds)
        await anyio.sleep(20)

    stage = play(lambda: Stage(LONG, "Fine.", "Too much.", heard=Heard(heard)), story)
    ends = [event["response"] for event in stage.wire.events() if event["type"] == DONE]
    assert [end["status"] for end in ends] == ["completed", "cancelled", "completed"]
    asked = [m.content for m in stage.model.requests[-1].messages if m.role == "user"]
    assert asked == ["hi", "and tomorrow?", *([heard] if heard else [])]
    check_trace(stage.wire.events())


def test_it_is_not_where_the_client_alone_asks_for_answers() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session=MANUAL)
        stage.ask("hi")
        await stage.wire.until(DONE)
        stage.wire.say(CREATE)
        await speak(stage, 1.0)
        await anyio.sleep(20)

    stage = play(lambda: Stage(LONG, "Never.", heard=Heard("")), story)
    ends = [event["response"]["status"] for event in stage.wire.events() if event["type"] == DONE]
    assert ends == ["completed", "cancelled"]

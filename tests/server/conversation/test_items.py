"""Items that a client writes come back as they were written, and what cannot be used of them is told."""

from typing import Any

import pytest

from tests.support.stage import Stage, play
from tests.support.trace_checker import check_trace

TEXT = {"type": "input_text", "text": "what is on it?"}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
ADDED = "conversation.item.added"


def message(*content: dict[str, Any], role: str = "user", **more: Any) -> dict[str, Any]:
    return {"id": "mine", "type": "message", "role": role, "content": list(content), **more}


@pytest.mark.parametrize(
    "item",
    [
        message(TEXT, {"type": "input_text", "text": "part two"}),
        message(TEXT, {"type": "input_text", "text": ""}, role="system"),
        message(
            {"type": "output_text", "text": "One."}, {"type": "output_text", "text": "Two."}, role="assistant"
        ),
        message({"type": "output_audio", "transcript": "One."}, role="assistant"),
        message(
            {"type": "output_audio", "transcript": "One."},
            {"type": "output_text", "text": "Two."},
            role="assistant",
        ),
        message(TEXT, status="incomplete"),
        message({"type": "output_text", "text": "One."}, role="assistant", status="in_progress"),
        {
            "id": "mine",
            "type": "function_call",
            "call_id": "c",
            "name": "f",
            "arguments": "{}",
            "status": "incomplete",
        },
    ],
)
def test_an_item_comes_back_as_it_was_written(item: dict[str, Any]) -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("conversation.item.create", item=item)
        stage.wire.say("conversation.item.retrieve", item_id="mine")
        for kind in (ADDED, "conversation.item.done", "conversation.item.retrieved"):
            told = (await stage.wire.until(kind))["item"]
            assert told == {"object": "realtime.item", "status": "completed", **item}

    check_trace(play(Stage, story).wire.events())


def test_all_pieces_of_a_message_are_asked() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say(
            "conversation.item.create", item=message(TEXT, {"type": "input_text", "text": "And who?"})
        )
        stage.wire.say("response.create", response={"output_modalities": ["text"]})
        await stage.wire.until("response.done")

    stage = play(Stage, story)
    assert stage.model.requests[-1].messages[-1].content == "what is on it?\nAnd who?"


@pytest.mark.parametrize(
    "left_out", [IMAGE, {"type": "input_file", "file_id": "file_1", "filename": "a.pdf"}]
)
def test_what_cannot_be_used_of_a_message_is_told_and_the_rest_is_answered(left_out: dict[str, Any]) -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("conversation.item.create", event_id="I", item=message(left_out, TEXT, left_out))
        stage.wire.say("response.create", response={"output_modalities": ["text"]})
        await stage.wire.until("response.done")
        error = (await stage.wire.until("error", 2))["error"]
        assert (error["code"], error["param"]) == ("unsupported_content_type", "item.content[2].type")
        assert error["event_id"] == "I"
        assert "not understood by this server" in error["message"]
        assert (await stage.wire.until(ADDED))["item"]["content"] == [TEXT]

    stage = play(Stage, story)
    assert stage.model.requests[-1].messages[-1].content == "what is on it?"
    assert stage.wire.types().count("error") == 2


def test_the_same_holds_for_what_a_response_is_about() -> None:
    async def story(stage: Stage) -> None:
        about = {"output_modalities": ["text"], "input": [message(TEXT, IMAGE)]}
        stage.wire.say("response.create", response=about)
        assert (await stage.wire.until("response.done"))["response"]["status"] == "completed"
        error = (await stage.wire.until("error"))["error"]
        assert error["param"] == "response.input[0].content[1].type"

    stage = play(Stage, story)
    assert stage.model.requests[-1].messages[-1].content == "what is on it?"


def test_a_message_of_which_nothing_can_be_used_is_refused() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("conversation.item.create", item=message(IMAGE))
        assert (await stage.wire.until("error"))["error"]["param"] == "item.content[0].type"

    assert ADDED not in play(Stage, story).wire.types()


def test_a_piece_that_is_wrong_is_not_left_out() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("conversation.item.create", item=message(IMAGE, {"type": "input_text"}))
        assert (await stage.wire.until("error"))["error"]["param"] == "item.content[1].text"

    assert ADDED not in play(Stage, story).wire.types()

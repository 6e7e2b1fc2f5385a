"""Each event of a client, apart from audio and the session, as the command that it is."""

import json
from typing import Any

import pytest

from audio.formats import AudioFormat, Encoding
from server.dialects.realtime.dialect import RealtimeDialect
from server.domain.commands import (
    AddItem,
    CancelResponse,
    ClearAudio,
    ClearOutput,
    Command,
    CommitAudio,
    CreateResponse,
    DeleteItem,
    Noted,
    RetrieveItem,
    TruncateItem,
)
from server.domain.errors import ClientError
from server.domain.values import Item, Part, ResponseOptions, SessionConfig
from stages.ports import OneTool


def decoded(kind: str, **fields: Any) -> Command | Noted:
    return RealtimeDialect(SessionConfig()).decode(json.dumps({"type": kind, "event_id": "c1", **fields}))


def refused(kind: str, **fields: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        decoded(kind, **fields)
    assert caught.value.ref == "c1"
    return caught.value


def message(role: str, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts), **more}


@pytest.mark.parametrize(
    ("kind", "fields", "command"),
    [
        ("input_audio_buffer.commit", {}, CommitAudio("c1")),
        ("input_audio_buffer.clear", {}, ClearAudio("c1")),
        ("output_audio_buffer.clear", {}, ClearOutput("c1")),
        ("conversation.item.retrieve", {"item_id": "item_1"}, RetrieveItem("item_1", "c1")),
        ("conversation.item.delete", {"item_id": "item_1"}, DeleteItem("item_1", "c1")),
        (
            "conversation.item.truncate",
            {"item_id": "item_1", "content_index": 0, "audio_end_ms": 1500},
            TruncateItem("item_1", 1500, 0, "c1"),
        ),
        (
            "conversation.item.truncate",
            {"item_id": "item_1", "audio_end_ms": 1500.9},
            TruncateItem("item_1", 1500, 0, "c1"),
        ),
        ("response.cancel", {}, CancelResponse(None, "c1")),
        ("response.cancel", {"response_id": None}, CancelResponse(None, "c1")),
        ("response.cancel", {"response_id": "resp_1"}, CancelResponse("resp_1", "c1")),
        ("response.create", {}, CreateResponse(ResponseOptions(), "c1")),
        ("response.create", {"response": None}, CreateResponse(ResponseOptions(), "c1")),
        ("response.create", {"response": {}}, CreateResponse(ResponseOptions(), "c1")),
        (
            "response.create",
            {
                "response": {
                    "instructions": "Greet.",
                    "output_modalities": ["text"],
                    "metadata": {"client_event_id": "c1"},
                    "max_output_tokens": 50,
                    "conversation": "auto",
                    "tools": [],
                    "tool_choice": "none",
                    "audio": {"output": {"voice": "marin", "format": {"type": "audio/pcm", "rate": 24000}}},
                }
            },
            CreateResponse(
                ResponseOptions(
                    "Greet.",
                    "text",
                    {"client_event_id": "c1"},
                    50,
                    "marin",
                    output_format=AudioFormat(),
                    tools=(),
                    mcp=(),
                    tool_choice="none",
                ),
                "c1",
            ),
        ),
        (
            "response.create",
            {"response": {"max_output_tokens": "inf"}},
            CreateResponse(ResponseOptions(max_output_tokens="inf"), "c1"),
        ),
        (
            "response.create",
            {
                "response": {
                    "conversation": "none",
                    "input": [
                        {"type": "item_reference", "id": "item_1"},
                        {
                            "id": "mine",
                            "type": "message",
                            "role": "user",
                            "content": [{"type": "input_text", "text": "Hi."}],
                        },
                    ],
                }
            },
            CreateResponse(
                ResponseOptions(context=("item_1", Item("mine", "user", "Hi.")), in_conversation=False), "c1"
            ),
        ),
        ("response.create", {"response": {"input": []}}, CreateResponse(ResponseOptions(context=()), "c1")),
        (
            "response.create",
            {"response": {"audio": {"output": {"format": {"type": "audio/pcmu"}}}}},
            CreateResponse(ResponseOptions(output_format=AudioFormat(Encoding.PCMU, 8_000)), "c1"),
        ),
        (
            "response.create",
            {"response": {"audio": {"output": {"speed": 1.2}}}},
            CreateResponse(ResponseOptions(speed=1.2), "c1"),
        ),
    ],
)
def test_events_become_commands(kind: str, fields: dict[str, Any], command: Command) -> None:
    assert decoded(kind, **fields) == command


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (message("user", {"type": "input_text", "text": "Hi."}, id="mine"), Item("mine", "user", "Hi.")),
        (message("system", {"type": "input_text", "text": ""}, id="mine"), Item("mine", "system")),
        (
            message("assistant", {"type": "output_text", "text": "Hello."}, id="mine", status="completed"),
            Item("mine", "assistant", "Hello."),
        ),
        (
            message("assistant", {"type": "output_audio", "transcript": "Hello."}, id="mine"),
            Item("mine", "assistant", "Hello.", parts=(Part("Hello.", spoken=True),)),
        ),
        (
            message("user", {"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}, id="m"),
            Item("m", "user", "a\nb", parts=(Part("a"), Part("b"))),
        ),
        (
            message("user", {"type": "input_text", "text": "a"}, id="m", status="incomplete"),
            Item("m", "user", "a", status="incomplete"),
        ),
        (
            {"type": "function_call", "id": "m", "call_id": "c", "name": "f", "arguments": "{}"},
            Item("m", "assistant", "{}", kind="call", call_id="c", name="f"),
        ),
        (
            {"type": "function_call_output", "id": "m", "call_id": "c", "output": ""},
            Item("m", "tool", "", kind="output", call_id="c"),
        ),
    ],
)
def test_messages_become_items(item: dict[str, Any], expected: Item) -> None:
    assert decoded("conversation.item.create", item=item) == AddItem(expected, None, "c1")


def test_an_item_without_an_id_gets_one() -> None:
    part = {"type": "input_text", "text": "Hi."}
    first = decoded("conversation.item.create", item=message("user", part), previous_item_id="root")
    second = decoded("conversation.item.create", item=message("user", part))
    assert isinstance(first, AddItem)
    assert isinstance(second, AddItem)
    assert first.item.id.startswith("item_")
    assert first.item.id != second.item.id
    assert (first.after, second.after) == ("root", None)


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({"type": "function_call", "name": "f"}, "missing_required_parameter", "item.arguments"),
        ({"type": "function_call_output", "output": ""}, "missing_required_parameter", "item.call_id"),
        ({"type": "item_reference", "id": "i"}, "invalid_value", "item.type"),
        ({"type": "mcp_call"}, "invalid_value", "item.type"),
        (
            message("user", {"type": "input_image", "image_url": "x"}),
            "unsupported_content_type",
            "item.content[0].type",
        ),
        (
            message("system", {"type": "input_text", "text": "x"}, {"type": "input_audio", "audio": "AAAA"}),
            "unsupported_content_type",
            "item.content[1].type",
        ),
        (message("user", {"type": "output_text", "text": "x"}), "unsupported_content_type", None),
        (message("user", {"type": "input_text"}), "missing_required_parameter", "item.content[0].text"),
        (message("user", {"type": "input_text", "text": 3}), "invalid_type", "item.content[0].text"),
        (message("user"), "missing_required_parameter", "item.content"),
        ({"type": "message"}, "missing_required_parameter", "item.role"),
        (message("critic", {"type": "input_text", "text": "x"}), "invalid_value", "item.role"),
        (message("user", {"type": "input_text", "text": "x"}, id=""), "invalid_value", "item.id"),
        (message("user", {"type": "input_text", "text": "x"}, id="x" * 129), "invalid_value", "item.id"),
        (None, "invalid_type", "item"),
    ],
)
def test_items_that_cannot_be_kept_are_refused(item: object, code: str, param: str | None) -> None:
    error = refused("conversation.item.create", item=item)
    assert error.code == code
    assert param in (None, error.param)


@pytest.mark.parametrize(
    ("response", "param"),
    [
        ({"conversation": "other"}, "response.conversation"),
        ({"input": [{"type": "item_reference"}]}, "response.input[0].id"),
        ({"input": [{"type": "mcp_call"}]}, "response.input[0].type"),
        ({"tools": [{"type": "function"}]}, "response.tools[0]"),
        ({"tools": [{"type": "function", "name": "f"}] * 2}, "response.tools"),
        ({"tool_choice": {"type": "function"}}, "response.tool_choice"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "response.tool_choice"),
        ({"tool_choice": "always"}, "response.tool_choice"),
        ({"metadata": {"a": 1}}, "response.metadata.a"),
        ({"metadata": {str(n): "" for n in range(17)}}, "response.metadata"),
        ({"metadata": {"a": "x" * 513}}, "response.metadata.a"),
        ({"output_modalities": ["video"]}, "response.output_modalities"),
        ({"max_output_tokens": -1}, "response.max_output_tokens"),
        ("please", "response"),
        ({"input": [{"content": [{"type": "input_text"}] * 64}] * 32}, "response.input"),
    ],
)
def test_answers_that_cannot_be_given_are_refused(response: object, param: str) -> None:
    error = refused("response.create", response=response)
    assert error.param == param
    assert error.message.startswith(f"{param}: ")


def test_a_metadata_key_that_is_too_long_is_refused() -> None:
    assert "64" in refused("response.create", response={"metadata": {"k" * 65: "v"}}).message


@pytest.mark.parametrize(
    ("kind", "fields", "param"),
    [
        ("conversation.item.retrieve", {}, "item_id"),
        ("conversation.item.delete", {"item_id": 3}, "item_id"),
        ("conversation.item.truncate", {"item_id": "i"}, "audio_end_ms"),
        ("conversation.item.truncate", {"item_id": "i", "audio_end_ms": -1}, "audio_end_ms"),
        ("conversation.item.truncate", {"item_id": "i", "audio_end_ms": "1"}, "audio_end_ms"),
        ("conversation.item.truncate", {"item_id": "i", "audio_end_ms": True}, "audio_end_ms"),
        (
            "conversation.item.truncate",
            {"item_id": "i", "audio_end_ms": 1, "content_index": 1},
            "content_index",
        ),
        ("response.cancel", {"response_id": 5}, "response_id"),
    ],
)
def test_wrong_fields_are_named(kind: str, fields: dict[str, Any], param: str) -> None:
    error = refused(kind, **fields)
    assert error.param == param
    assert error.message.startswith(f"{param}: ")


def test_an_image_is_refused_in_so_many_words() -> None:
    image = message("user", {"type": "input_image", "image_url": "data:image/png;base64,AAAA"})
    error = refused("conversation.item.create", item=image)
    assert (error.code, error.blame) == ("unsupported_content_type", "client")
    assert "images are not understood" in error.message


def test_an_answer_may_bring_tools_of_its_own() -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    weather = {"type": "function", "name": "weather", "description": "It rains.", "parameters": parameters}
    choice = {"type": "function", "name": "weather"}
    command = decoded(
        "response.create", response={"tools": [weather, {**weather, "name": "f"}], "tool_choice": choice}
    )
    assert isinstance(command, CreateResponse)
    (tool, _) = command.options.tools or ()
    assert (tool.name, tool.description, tool.parameters) == ("weather", "It rains.", parameters)
    assert tool.effect == "irreversible"
    assert command.options.tool_choice == OneTool("weather")


def test_a_session_for_transcription_gives_no_answers() -> None:
    dialect = RealtimeDialect(SessionConfig(purpose="transcription"))
    with pytest.raises(ClientError, match="gives no answers") as caught:
        dialect.decode(json.dumps({"type": "response.create", "event_id": "c1"}))
    assert caught.value.ref == "c1"


def test_thousands_of_mistakes_are_refused_before_they_are_worded() -> None:
    error = refused("response.create", response={"input": [{"content": [{"type": 1}] * 64}] * 300})
    assert error.message == (
        "response.input: its items have 19200 pieces of content together; the limit is 2000"
    )
    error = refused("response.create", response={"input": [{"content": [{"type": 1}] * 50}] * 40})
    assert error.message.count(";") == 20
    assert error.message.endswith("and 1980 more")

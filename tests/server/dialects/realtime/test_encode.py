"""What a client of the Realtime protocol is told: the right events in the right order."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from audio.formats import AudioFormat, Encoding
from server.dialects.realtime.dialect import RealtimeDialect
from server.domain import events
from server.domain.errors import ClientError
from server.domain.events import (
    ItemDone,
    ItemRetrieved,
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    ResponseText,
    SessionConfigured,
    SessionStarted,
    TranscriptFinal,
)
from server.domain.ids import Ids
from server.domain.values import Item, Response, SessionConfig
from server.domain.voice_events import VoiceEvent
from tests.support.realtime_story import (
    CONFIG,
    OPENING,
    begun_response,
    calling_response,
    cut_response,
    story,
    whole_response,
)

RESPONSE = Response("resp_1", config=CONFIG)
OPENAI_TYPES = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(RealtimeServerEvent)[0])
}


def told(
    *said: events.Event, config: SessionConfig = CONFIG, dialect: RealtimeDialect | None = None
) -> list[dict[str, Any]]:
    dialect = dialect or RealtimeDialect(config)
    return [json.loads(frame) for event in said for frame in dialect.encode(event)]


def extras(value: object, path: str = "") -> Iterator[str]:
    """Keys that the models of the `openai` package do not know."""
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}".lstrip(".") for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for element in value:
            yield from extras(element, path)


# --- a whole turn -----------------------------------------------------------------------------------------


def test_a_spoken_answer_is_told_in_order() -> None:
    item = Item("item_u", "user", spoken=True)
    turn = [
        events.SpeechStarted("item_u", 100),
        events.SpeechStopped("item_u", 900),
        events.AudioCommitted("item_u", None),
        events.ItemAdded(item, None),
        events.ItemDone(item, None),
        TranscriptFinal("item_u", "What time is it?", 0.8),
        *whole_response(RESPONSE, "item_a", "item_u"),
    ]
    assert [event["type"] for event in told(*OPENING, *turn)] == [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_a_typed_answer_is_told_in_order() -> None:
    response = Response("resp_1", "text", config=replace(CONFIG, modality="text"))
    frames = told(*whole_response(response, "item_a", None))
    assert [event["type"] for event in frames] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert frames[3]["part"] == {"type": "text", "text": ""}
    assert frames[7]["part"] == {"type": "text", "text": "It is noon."}
    assert frames[8]["item"]["content"] == [{"type": "output_text", "text": "It is noon."}]


def test_an_interrupted_answer_ends_incomplete_and_says_why() -> None:
    frames = told(*begun_response(RESPONSE, "item_a", "item_u2"), *cut_response(RESPONSE, "item_a"))
    tail = [event["type"] for event in frames[-10:]]
    assert tail == [
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
        "conversation.item.truncated",
        "conversation.item.retrieved",
    ]
    response = frames[-4]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    assert frames[-1]["item"]["content"] == [{"type": "output_audio", "transcript": "It is"}]


def test_a_call_of_the_clients_tool_is_told_in_order() -> None:
    calling = calling_response(RESPONSE, "item_a", None)[-3:]
    frames = told(calling[0], calling[-1])
    assert [event["type"] for event in frames] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    item = {
        "id": "item_a_1",
        "object": "realtime.item",
        "type": "function_call",
        "call_id": "call_1",
        "name": "weather",
    }
    assert frames[0]["item"] == frames[1]["item"] == {**item, "status": "in_progress", "arguments": ""}
    assert (
        frames[4]["item"] == frames[5]["item"] == {**item, "status": "completed", "arguments": '{"city":1}'}
    )
    assert (frames[3]["name"], frames[3]["arguments"]) == ("weather", '{"city":1}')
    assert [item["type"] for item in frames[6]["response"]["output"]] == ["message", *["function_call"] * 2]
    assert [frame["output_index"] for frame in frames if "output_index" in frame] == [1, 1, 1, 1]


def test_a_response_beside_the_conversation_says_nothing_of_the_conversation() -> None:
    frames = told(*whole_response(replace(RESPONSE, in_conversation=False), "item_a", None))
    assert not [event["type"] for event in frames if event["type"].startswith("conversation")]
    assert (frames[0]["response"]["conversation_id"], frames[-2]["response"]["conversation_id"]) == (
        None,
        None,
    )


def test_nobody_is_limited() -> None:
    assert told(ResponseEnded(RESPONSE, "completed"))[-1]["rate_limits"] == []


def test_a_session_for_transcription_shows_what_it_listens_by() -> None:
    config = SessionConfig(purpose="transcription")
    session = told(SessionStarted("sess_1", "conv_1", config, 1_790_000_000), config=config)[0]["session"]
    assert session.pop("audio").keys() == {"input"}
    assert session == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_1",
        "expires_at": 1_790_000_000,
        "include": None,
    }


# --- what stock clients need ------------------------------------------------------------------------------


OURS = {"session.object", "session.id", "session.expires_at", "item.x_error"}
"""Fields that the protocol's own documents have, or that we add."""


@pytest.mark.no_cover
def test_every_event_is_one_that_the_openai_package_knows() -> None:
    frames = told(*story())
    for event in frames:
        model = TypeAdapter(OPENAI_TYPES[event["type"]])
        parsed = model.validate_json(json.dumps(event), strict=True)
        unknown = set(extras(parsed)) - OURS
        assert not unknown, event["type"]


def test_the_story_has_every_event_of_the_session() -> None:
    # Clients of the standard protocol are never asked to hold a voice.
    assert {type(event) for event in story()} == set(get_args(events.Event)) - set(get_args(VoiceEvent))


def test_every_frame_has_the_next_event_id() -> None:
    ids = [event["event_id"] for event in told(*story())]
    assert ids == [f"event_{n + 1}" for n in range(len(ids))]


def test_ids_and_numbers_are_the_sessions_and_outlive_a_dialect() -> None:
    ids = Ids()
    first, second = RealtimeDialect(CONFIG, ids=ids), RealtimeDialect(CONFIG, ids=ids)
    opening = told(OPENING[0], ResponseStarted(RESPONSE), dialect=first)
    assert opening[1]["response"]["conversation_id"] == "conv_1", "the session has made it"
    (after,) = told(SessionConfigured(CONFIG), dialect=second)
    assert after["event_id"] == "event_3"


def test_the_first_frame_says_all_that_holds() -> None:
    session = told(OPENING[0])[0]["session"]
    assert session == {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "default",
        "output_modalities": ["audio"],
        "instructions": "Be brief.",
        "max_output_tokens": "inf",
        "expires_at": 1_790_000_000,
        "prompt": None,
        "include": None,
        "tools": [],
        "tool_choice": "auto",
        "tracing": None,
        "truncation": "auto",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "voice": "default",
                "speed": 1.0,
            },
        },
    }


@pytest.mark.parametrize(
    ("audio_format", "shown"),
    [
        (AudioFormat(Encoding.PCMU, 8_000), {"type": "audio/pcmu"}),
        (AudioFormat(Encoding.PCMA, 8_000), {"type": "audio/pcma"}),
        (AudioFormat(rate_hz=16_000), {"type": "audio/pcm", "rate": 16000}),
    ],
)
def test_formats_are_shown_as_the_protocol_writes_them(
    audio_format: AudioFormat, shown: dict[str, object]
) -> None:
    config = replace(CONFIG, input_format=audio_format, output_format=audio_format)
    audio = told(SessionConfigured(config))[0]["session"]["audio"]
    assert audio["input"]["format"] == audio["output"]["format"] == shown
    response = told(events.ResponseStarted(Response("resp_1", config=config)))[0]["response"]
    assert response["audio"]["output"]["format"] == shown


def test_usage_is_never_null_and_has_all_five_keys() -> None:
    usage = told(ResponseEnded(RESPONSE, "failed"))[0]["response"]["usage"]
    assert set(usage) == {
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "input_token_details",
        "output_token_details",
    }


def test_metadata_comes_back() -> None:
    response = replace(RESPONSE, metadata={"client_event_id": "c7"})
    first, last, _ = told(events.ResponseStarted(response), ResponseEnded(response, "completed"))
    assert first["response"]["metadata"] == last["response"]["metadata"] == {"client_event_id": "c7"}
    assert first["response"]["conversation_id"] == last["response"]["conversation_id"]


def test_a_failed_response_carries_its_error() -> None:
    error = ClientError("provider_failed", "The voice did not answer.", blame="server")
    done, _ = told(ResponseEnded(RESPONSE, "failed", error=error))
    assert done["response"]["status_details"] == {
        "type": "failed",
        "error": {"type": "server_error", "code": "provider_failed", "message": "The voice did not answer."},
    }


@pytest.mark.parametrize(
    ("item", "content"),
    [
        (Item("i", "user", spoken=True), [{"type": "input_audio", "transcript": None}]),
        (Item("i", "user", "Hello.", spoken=True), [{"type": "input_audio", "transcript": "Hello."}]),
        (Item("i", "user", "Hello."), [{"type": "input_text", "text": "Hello."}]),
        (Item("i", "system", "Be kind."), [{"type": "input_text", "text": "Be kind."}]),
        (Item("i", "assistant", status="in_progress", spoken=True), []),
        (Item("i", "assistant", "Hi.", spoken=True), [{"type": "output_audio", "transcript": "Hi."}]),
        (Item("i", "assistant", "Hi."), [{"type": "output_text", "text": "Hi."}]),
        (
            Item("i", "assistant", status="incomplete", spoken=True),
            [{"type": "output_audio", "transcript": ""}],
        ),
    ],
)
def test_the_content_of_items(item: Item, content: list[dict[str, object]]) -> None:
    for event in (ItemDone(item, None), ItemRetrieved(item)):
        assert told(event)[0]["item"]["content"] == content


def test_transcripts_are_shown_only_when_asked_for() -> None:
    heard: list[events.Event] = [
        events.TranscriptPartial("item_u", "Hel"),
        TranscriptFinal("item_u", "Hello.", 0.5),
        events.TranscriptFailed("item_u", "transcription_failed", "no"),
    ]
    assert told(*heard, config=replace(CONFIG, transcription=False)) == []
    shown = told(*heard)
    assert [event["type"].rsplit(".", 1)[1] for event in shown] == ["delta", "completed", "failed"]
    assert shown[1]["usage"] == {"type": "duration", "seconds": 0.5}
    assert all(value is not None for value in shown[2]["error"].values())


def test_an_error_names_the_clients_event() -> None:
    (event,) = told(events.Problem(ClientError("invalid_value", "no", param="a.b", ref="mine")))
    assert event["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "no",
        "param": "a.b",
        "event_id": "mine",
    }


# --- the templates ----------------------------------------------------------------------------------------


def test_audio_deltas_are_base64_of_what_was_given() -> None:
    data = bytes(range(256)) * 5
    (event,) = told(ResponseAudio(RESPONSE, "item_a", data))
    assert base64.b64decode(event.pop("delta"), validate=True) == data
    assert event == {
        "type": "response.output_audio.delta",
        "event_id": "event_1",
        "response_id": "resp_1",
        "item_id": "item_a",
        "output_index": 0,
        "content_index": 0,
    }


def test_the_templates_write_json_whatever_the_ids_and_texts_are() -> None:
    odd = 'a"b\\c\n\u2028 é 😀 \ud800'
    response = replace(RESPONSE, id=odd)
    text, audio, other = told(
        ResponseText(response, odd, odd), ResponseAudio(response, odd, b""), ResponseText(RESPONSE, odd, odd)
    )
    assert (text["response_id"], text["item_id"], text["delta"]) == (odd, odd, odd)
    assert (audio["response_id"], audio["delta"]) == (odd, "")
    assert other["response_id"] == "resp_1"


def test_frames_can_be_sent_as_utf8_whatever_is_in_them() -> None:
    dialect = RealtimeDialect(CONFIG)
    for frame in dialect.encode(
        SessionStarted("sess_1", "conv_1", replace(CONFIG, instructions="\ud800 é"), 0)
    ):
        assert isinstance(frame, str)
        frame.encode()

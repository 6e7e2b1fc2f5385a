"""Clips in items of the Realtime protocol: base64 in the session's input format in, whole samples out."""

import base64
import json
from typing import Any

import pytest

from audio.formats import AudioFormat, Encoding
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.limits import RealtimeLimits
from server.domain.commands import AddItem, CommitAudio, CreateResponse, clips_of
from server.domain.errors import ClientError
from server.domain.events import (
    ItemAdded,
    ItemRetrieved,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from server.domain.values import Clip, Item, Part, SessionConfig

AUDIO = bytes(range(256)) * 4
DEFAULT = SessionConfig()
MU_LAW = SessionConfig(input_format=AudioFormat(Encoding.PCMU, 8_000))
SHORT = RealtimeLimits(max_command_chars=4096, max_clips_s=2.0)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def clip(audio: object, **more: object) -> dict[str, Any]:
    return {"type": "input_audio", "audio": audio, **more}


def typed(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


def creation(*content: object, role: str = "user") -> dict[str, Any]:
    item = {"type": "message", "id": "one", "role": role, "content": list(content)}
    return {"type": "conversation.item.create", "event_id": "c1", "item": item}


def added(*content: object, config: SessionConfig = DEFAULT, limits: RealtimeLimits | None = None) -> Item:
    command = RealtimeDialect(config, limits).decode(json.dumps(creation(*content)))
    assert isinstance(command, AddItem)
    return command.item


def refused(
    event: dict[str, Any], config: SessionConfig = DEFAULT, limits: RealtimeLimits | None = None
) -> ClientError:
    with pytest.raises(ClientError) as caught:
        RealtimeDialect(config, limits).decode(json.dumps(event))
    assert caught.value.ref == "c1"
    return caught.value


# --- in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [SessionConfig(), MU_LAW])
def test_a_clip_is_read_in_the_sessions_input_format(config: SessionConfig) -> None:
    item = added(clip(base64_of(AUDIO)), config=config)
    assert item.parts == (Part(spoken=True, clip=Clip(AUDIO, config.input_format)),)
    assert (item.role, item.text, item.spoken) == ("user", "", False)


def test_clips_and_text_keep_their_order_and_the_clients_transcript_is_not_taken_for_words() -> None:
    item = added(typed("What is this?"), clip(base64_of(AUDIO), transcript="a bird"), typed("Tell me."))
    clips = [part.clip is not None for part in item.parts]
    assert clips == [False, True, False]
    assert [part.transcript for part in item.parts] == [None, "a bird", None]
    assert item.text == "What is this?\nTell me."


def test_a_response_may_be_about_a_clip() -> None:
    message = creation(clip(base64_of(AUDIO)))["item"]
    event = {"type": "response.create", "response": {"input": [message]}}
    command = RealtimeDialect(SessionConfig()).decode(json.dumps(event))
    assert isinstance(command, CreateResponse)
    assert command.options.context is not None
    (item,) = command.options.context
    assert isinstance(item, Item)
    assert item.parts[0].clip == Clip(AUDIO, AudioFormat())


@pytest.mark.parametrize("type", ["conversation.item.create", "response.create"])
def test_the_clips_of_a_command_are_known_wherever_they_stand(type: str) -> None:
    message = creation(typed("What is this?"), clip(base64_of(AUDIO)), clip(base64_of(AUDIO)))
    event = message if type == message["type"] else {"type": type, "response": {"input": [message["item"]]}}
    command = RealtimeDialect(SessionConfig()).decode(json.dumps(event))
    assert isinstance(command, AddItem | CreateResponse)
    assert clips_of(command) == [Clip(AUDIO, AudioFormat())] * 2
    assert clips_of(CreateResponse()) == clips_of(CommitAudio()) == []


@pytest.mark.parametrize(
    ("audio", "code", "says"),
    [
        (None, "missing_required_parameter", "is required"),
        (7, "invalid_type", "string"),
        ("", "invalid_value", "is empty"),
        ("A", "invalid_value", "not base64"),
        ("AA AA", "invalid_value", "not base64"),
        ("_-==", "invalid_value", "not base64"),
        ("äAAA", "invalid_value", "not base64"),
        ("AAAA", "invalid_value", "has 3 bytes; a sample of pcm16 has 2"),
    ],
)
def test_what_is_no_audio_is_refused_and_the_field_is_named(audio: object, code: str, says: str) -> None:
    error = refused(creation(typed("x"), clip(audio)))
    assert (error.code, error.param) == (code, "item.content[1].audio")
    assert says in error.message


def test_an_odd_number_of_bytes_is_whole_in_a_format_of_one_byte() -> None:
    assert added(clip("AAAA"), config=MU_LAW).parts[0].clip == Clip(b"\0\0\0", MU_LAW.input_format)


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_the_user_speaks_in_clips(role: str) -> None:
    error = refused(creation(clip(base64_of(AUDIO)), role=role))
    assert (error.code, error.param) == ("unsupported_content_type", "item.content[0].type")


def test_the_clips_of_one_event_have_a_limit_together() -> None:
    second = base64_of(bytes(48_000))
    assert len(added(clip(second), clip(second), limits=SHORT).parts) == 2
    error = refused(creation(clip(second), clip(second), clip(base64_of(bytes(480)))), limits=SHORT)
    assert (error.code, error.param) == ("invalid_value", "item.content[2].audio")
    assert "2 s" in error.message
    messages = [creation(clip(second))["item"] | {"id": str(n)} for n in range(3)]
    response = {"type": "response.create", "event_id": "c1", "response": {"input": messages}}
    assert refused(response, limits=SHORT).param == "response.input[2].content[0].audio"


def test_a_clip_that_is_much_too_long_is_not_even_decoded() -> None:
    error = refused(creation(clip("A" * 1_000_001)), limits=SHORT)  # which is no base64
    assert "15.6 s of audio" in error.message


def test_a_clip_may_make_its_event_long_and_nothing_else_may() -> None:
    second = base64_of(bytes(48_000))
    assert len(second) > SHORT.max_command_chars
    long_text = typed("many, many words, " * 250)
    error = refused(creation(clip(second), long_text), limits=SHORT)
    assert (error.code, "4096" in error.message) == ("invalid_event", True)
    message = creation(clip(second))["item"]
    response = {"type": "response.create", "event_id": "c1", "response": {"input": [message]}}
    assert isinstance(RealtimeDialect(SessionConfig(), SHORT).decode(json.dumps(response)), CreateResponse)
    response["response"] = {"input": [message], "instructions": "x" * 5000}
    assert refused(response, limits=SHORT).code == "invalid_event"


def test_audio_where_none_belongs_does_not_make_room() -> None:
    event = creation(typed("x")) | {"audio": "A" * 5000, "response": {"input": [{"content": "A" * 5000}]}}
    assert refused(event, limits=SHORT).code == "invalid_event"


# --- out --------------------------------------------------------------------------------------------------

DIALECT = RealtimeDialect(SessionConfig(transcription=True))


def content_of(parts: tuple[Part, ...]) -> Any:
    (frame,) = DIALECT.encode(ItemAdded(Item("i", "user", "words", parts=parts), None))
    return json.loads(frame)["item"]["content"]


def test_a_message_with_clips_is_shown_part_by_part_and_without_audio() -> None:
    parts = (Part("Look."), Part(spoken=True), Part("a bird", spoken=True))
    assert content_of(parts) == [
        {"type": "input_text", "text": "Look."},
        {"type": "input_audio", "transcript": None},
        {"type": "input_audio", "transcript": "a bird"},
    ]


def test_the_clients_own_transcript_is_shown_in_place_of_ours() -> None:
    part = Part("a bird", spoken=True, transcript="A nightingale.")
    assert content_of((part,)) == [{"type": "input_audio", "transcript": "A nightingale."}]
    (frame,) = DIALECT.encode(ItemRetrieved(Item("i", "user", "a bird", parts=(part,))))
    assert json.loads(frame)["item"]["content"][0]["transcript"] == "A nightingale."


def test_transcripts_name_the_part_that_they_are_of() -> None:
    told = (
        TranscriptPartial("i", "a bird", 2),
        TranscriptFinal("i", "a bird", 1.5, 2),
        TranscriptFailed("i", "transcription_failed", "no", 2),
    )
    for event in told:
        (frame,) = DIALECT.encode(event)
        assert json.loads(frame)["content_index"] == 2

"""Events as frames of the Realtime protocol, in the order and with the fields that stock clients rely on.

What looks like an oddity is some client's requirement: an optional field of an error inside another event
is absent and not null, and the part of an item is called `audio` while its content is called `output_audio`.

Audio and text deltas are written by templates; everything else is a small dict on its way to JSON.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from pybase64 import b64encode_as_string

from server.dialects.realtime.fields import Json
from server.dialects.realtime.objects import render_item, render_response, render_status, render_usage
from server.dialects.realtime.session import WireSession, render_session
from server.domain.errors import ClientError
from server.domain.events import (
    AudioCleared,
    AudioCommitted,
    Event,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    ListingEnded,
    ListingStarted,
    McpCallEnded,
    McpCallStarted,
    OutputCleared,
    Problem,
    ResponseAudio,
    ResponseCall,
    ResponseEnded,
    ResponseItemEnded,
    ResponseItemStarted,
    ResponseStarted,
    ResponseText,
    SessionConfigured,
    SessionStarted,
    SilenceNoticed,
    SpeechStarted,
    SpeechStopped,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from server.domain.ids import new_id
from server.domain.mcp_tools import ApprovalRequest, McpCall
from server.domain.values import IgnoredSetting, Item, Response, SessionConfig

Body = tuple[str, Json]
"""The type of a frame and its fields, without the id."""

_NO_LIMITS: Body = ("rate_limits.updated", {"rate_limits": []})

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

# --- events with fields of their own ----------------------------------------------------------------------


def _placed(
    kind: str, event: ItemAdded | ItemDone | ResponseItemStarted | ResponseItemEnded | ResponseCall
) -> Body:
    return kind, {"previous_item_id": event.previous_item_id, "item": render_item(event.item)}


def _of_item(kind: str, event: Any) -> Body:
    return kind, {"item_id": event.item_id}


def _committed(event: AudioCommitted) -> list[Body]:
    return [
        (
            "input_audio_buffer.committed",
            {"previous_item_id": event.previous_item_id, "item_id": event.item_id},
        )
    ]


def _speech_started(event: SpeechStarted) -> list[Body]:
    fields: Json = {"audio_start_ms": event.audio_start_ms, "item_id": event.item_id}
    return [("input_audio_buffer.speech_started", fields)]


def _speech_stopped(event: SpeechStopped) -> list[Body]:
    fields: Json = {"audio_end_ms": event.audio_end_ms, "item_id": event.item_id}
    return [("input_audio_buffer.speech_stopped", fields)]


def _silence_noticed(event: SilenceNoticed) -> list[Body]:
    fields: Json = {
        "audio_start_ms": event.audio_start_ms,
        "audio_end_ms": event.audio_end_ms,
        "item_id": event.item_id,
    }
    return [("input_audio_buffer.timeout_triggered", fields)]


def _truncated(event: ItemTruncated) -> list[Body]:
    fields: Json = {
        "item_id": event.item_id,
        "content_index": event.content_index,
        "audio_end_ms": event.audio_end_ms,
    }
    return [("conversation.item.truncated", fields)]


def _partial(event: TranscriptPartial) -> list[Body]:
    fields: Json = {"item_id": event.item_id, "content_index": event.content_index, "delta": event.delta}
    return [(f"{_TRANSCRIPTION}.delta", fields)]


def _transcribed(event: TranscriptFinal) -> list[Body]:
    fields: Json = {
        "item_id": event.item_id,
        "content_index": event.content_index,
        "transcript": event.text,
        "usage": {"type": "duration", "seconds": event.duration_s},
    }
    return [(f"{_TRANSCRIPTION}.completed", fields)]


def _not_transcribed(event: TranscriptFailed) -> list[Body]:
    fields: Json = {
        "item_id": event.item_id,
        "content_index": event.content_index,
        "error": {"type": "transcription_error", "code": event.code, "message": event.message},
    }
    return [(f"{_TRANSCRIPTION}.failed", fields)]


def _problem(error: ClientError) -> Body:
    fields: Json = {
        "type": error.type,
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "event_id": error.ref,
    }
    return "error", {"error": fields}


def _place(response: Response, item_id: str) -> Json:
    return {
        "response_id": response.id,
        "item_id": item_id,
        "output_index": response.message_index,
        "content_index": 0,
    }


def _part(response: Response, text: str) -> Json:
    if response.modality == "audio":
        return {"type": "audio", "transcript": text}
    return {"type": "text", "text": text}


def _output_item(kind: str, response: Response, item: Item, index: int) -> Body:
    return kind, {"response_id": response.id, "output_index": index, "item": render_item(item)}


def _remembered(kind: str, event: ResponseItemStarted | ResponseItemEnded | ResponseCall) -> list[Body]:
    """What is said of an item of an answer that the conversation learns of."""
    return [_placed(kind, event)] if event.response.in_conversation else []


def _response_item_started(event: ResponseItemStarted) -> list[Body]:
    response, item = event.response, event.item
    return [
        _output_item("response.output_item.added", response, item, response.message_index),
        *_remembered("conversation.item.added", event),
        ("response.content_part.added", {**_place(response, item.id), "part": _part(response, "")}),
    ]


def _response_item_ended(event: ResponseItemEnded) -> list[Body]:
    response, item = event.response, event.item
    place = _place(response, item.id)
    if response.modality == "audio":
        ends = [
            ("response.output_audio.done", place),
            ("response.output_audio_transcript.done", {**place, "transcript": item.text}),
        ]
    else:
        ends = [("response.output_text.done", {**place, "text": item.text})]
    return [
        *ends,
        ("response.content_part.done", {**place, "part": _part(response, item.text)}),
        *_remembered("conversation.item.done", event),
        _output_item("response.output_item.done", response, item, response.message_index),
    ]


def _response_call(event: ResponseCall) -> list[Body]:
    """A call of one of the client's tools; it comes in one piece, as it is worth nothing before it is whole."""
    response, item = event.response, event.item
    if isinstance(item.detail, McpCall):
        return _mcp_call(event)
    if isinstance(item.detail, ApprovalRequest):
        return [
            _output_item("response.output_item.added", response, item, event.index),
            *_remembered("conversation.item.added", event),
            *_remembered("conversation.item.done", event),
            _output_item("response.output_item.done", response, item, event.index),
        ]
    begun = replace(event, item=replace(item, text="", status="in_progress"))
    place: Json = {
        "response_id": response.id,
        "item_id": item.id,
        "output_index": event.index,
        "call_id": item.call_id,
    }
    whole: Json = {**place, "name": item.name, "arguments": item.text}
    return [
        _output_item("response.output_item.added", response, begun.item, event.index),
        *_remembered("conversation.item.added", begun),
        ("response.function_call_arguments.delta", {**place, "delta": item.text}),
        ("response.function_call_arguments.done", whole),
        *_remembered("conversation.item.done", event),
        _output_item("response.output_item.done", response, item, event.index),
    ]


def _mcp_call(event: ResponseCall) -> list[Body]:
    """A call of a MCP tool: the item is done when something has come of it, after the response."""
    response, item = event.response, event.item
    begun = replace(event, item=replace(item, text=""))
    place: Json = {"response_id": response.id, "item_id": item.id, "output_index": event.index}
    return [
        _output_item("response.output_item.added", response, begun.item, event.index),
        *_remembered("conversation.item.added", begun),
        ("response.mcp_call_arguments.delta", {**place, "delta": item.text, "obfuscation": ""}),
        ("response.mcp_call_arguments.done", {**place, "arguments": item.text}),
        _output_item("response.output_item.done", response, item, event.index),
    ]


def _of_call(step: str, event: McpCallStarted | McpCallEnded) -> list[Body]:
    return [(f"response.mcp_call.{step}", {"item_id": event.item_id, "output_index": event.index})]


def _ended(event: McpCallEnded | ListingEnded) -> str:
    return "completed" if event.ok else "failed"


_BODIES: Mapping[type, Callable[[Any], list[Body]]] = {
    SpeechStarted: _speech_started,
    SpeechStopped: _speech_stopped,
    SilenceNoticed: _silence_noticed,
    AudioCommitted: _committed,
    AudioCleared: lambda event: [("input_audio_buffer.cleared", {})],
    ItemAdded: lambda event: [_placed("conversation.item.added", event)],
    ItemDone: lambda event: [_placed("conversation.item.done", event)],
    ItemRetrieved: lambda event: [("conversation.item.retrieved", {"item": render_item(event.item)})],
    ItemDeleted: lambda event: [_of_item("conversation.item.deleted", event)],
    ItemTruncated: _truncated,
    TranscriptPartial: _partial,
    TranscriptFinal: _transcribed,
    TranscriptFailed: _not_transcribed,
    ResponseItemStarted: _response_item_started,
    ResponseItemEnded: _response_item_ended,
    ResponseCall: _response_call,
    McpCallStarted: lambda event: _of_call("in_progress", event),
    McpCallEnded: lambda event: _of_call(_ended(event), event),
    ListingStarted: lambda event: [_of_item("mcp_list_tools.in_progress", event)],
    ListingEnded: lambda event: [_of_item(f"mcp_list_tools.{_ended(event)}", event)],
    OutputCleared: lambda event: [("output_audio_buffer.cleared", {"response_id": event.response_id})],
    Problem: lambda event: [_problem(event.error)],
}

_TRANSCRIPTS = (TranscriptPartial, TranscriptFinal, TranscriptFailed)
_DELTA = {"audio": "response.output_audio_transcript.delta", "text": "response.output_text.delta"}


class RealtimeEncoder:
    """Numbers the frames of one session and writes them. Keeps identities, nothing of the conversation."""

    def __init__(self) -> None:
        self._frames = 0
        self._conversation_id = new_id("conv")
        self._session_id = ""
        self._expires_at_s = 0
        self._place_of: tuple[str, str, str] = ("", "", "")

    def encode(
        self, event: Event, session: WireSession, ignored: Sequence[IgnoredSetting] = ()
    ) -> list[str | bytes]:
        """The frames that say `event`; `session` holds what is only echoed, `ignored` what changed nothing when the
        session was opened."""
        if isinstance(event, ResponseAudio):
            return [self._audio_delta(event)]
        if isinstance(event, ResponseText):
            return [self._text_delta(event)]
        if isinstance(event, _TRANSCRIPTS) and not session.config.transcription:
            return []
        return [self.frame(kind, fields) for kind, fields in self._bodies(event, session, ignored)]

    def _bodies(self, event: Event, session: WireSession, ignored: Sequence[IgnoredSetting]) -> list[Body]:
        if isinstance(event, SessionStarted):
            self._session_id, self._expires_at_s = event.session_id, event.expires_at_s
            return [("session.created", self._session(session, event.config, ignored))]
        if isinstance(event, SessionConfigured):
            return [("session.updated", self._session(session, event.config, event.ignored))]
        if isinstance(event, ResponseStarted):
            return [
                ("response.created", {"response": render_response(event.response, self._conversation_id)})
            ]
        if isinstance(event, ResponseEnded):
            # Nobody is limited here, and clients that look for limits are told so.
            return [("response.done", {"response": self._ended(event)}), _NO_LIMITS]
        return _BODIES[type(event)](event)

    def _session(
        self, session: WireSession, config: SessionConfig, ignored: Sequence[IgnoredSetting]
    ) -> Json:
        shown = render_session(session, config, self._session_id, self._expires_at_s)
        if ignored:
            shown["x_ignored"] = [asdict(setting) for setting in ignored]
        return {"session": shown}

    def _ended(self, event: ResponseEnded) -> Json:
        return {
            **render_response(event.response, self._conversation_id),
            "status": event.status,
            "status_details": render_status(event),
            "output": [render_item(item) for item in event.items],
            "usage": render_usage(event.usage),
        }

    def frame(self, kind: str, fields: Json) -> str:
        """One event of the type `kind`, with the next number."""
        self._frames += 1
        return json.dumps(
            {"type": kind, "event_id": f"event_{self._frames}", **fields}, separators=(",", ":")
        )

    def _audio_delta(self, event: ResponseAudio) -> str:
        self._frames += 1
        return (
            f'{{"type":"response.output_audio.delta","event_id":"event_{self._frames}",'
            f'{self._place(event)},"delta":"{b64encode_as_string(event.data)}"}}'
        )

    def _text_delta(self, event: ResponseText) -> str:
        self._frames += 1
        return (
            f'{{"type":"{_DELTA[event.response.modality]}","event_id":"event_{self._frames}",'
            f'{self._place(event)},"delta":{json.dumps(event.delta)}}}'
        )

    def _place(self, event: ResponseAudio | ResponseText) -> str:
        """The fields that all deltas of an answer share, written once."""
        response_id, item_id, written = self._place_of
        if response_id != event.response.id or item_id != event.item_id:
            written = json.dumps(_place(event.response, event.item_id), separators=(",", ":"))[1:-1]
            self._place_of = (event.response.id, event.item_id, written)
        return written

"""What single events are on the wire of the Realtime protocol: types and fields, in order; pure.

What looks like an oddity is some client's requirement: an optional field of an error inside another event
is absent and not null, and the part of an item is called `audio` while its content is called `output_audio`.
"""

from dataclasses import replace
from typing import assert_never

from server.dialects.realtime.errors import TYPES, code_of, message_of, param_of
from server.dialects.realtime.objects import render_item
from server.dialects.realtime.setting_checks import Json
from server.domain.errors import ClientError
from server.domain.events import (
    AudioCleared,
    AudioCommitted,
    InputEvent,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemEvent,
    ItemRetrieved,
    ItemTruncated,
    ListingEnded,
    ListingStarted,
    McpCallEnded,
    McpCallStarted,
    McpEvent,
    OutputCleared,
    Problem,
    ResponseCall,
    ResponseItemEnded,
    ResponseItemStarted,
    SilenceNoticed,
    SpeechStarted,
    SpeechStopped,
    TranscriptEvent,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from server.domain.mcp_tools import ApprovalRequest, McpCall
from server.domain.values import Item, Response

Body = tuple[str, Json]
"""The type of a frame and its fields, without the id."""

PlainEvent = (
    InputEvent
    | ItemEvent
    | McpEvent
    | ResponseItemStarted
    | ResponseItemEnded
    | ResponseCall
    | OutputCleared
    | Problem
)
"""What is told with what the event itself holds, and nothing of the session's."""


def plain_bodies(event: PlainEvent) -> list[Body]:
    """The frames that say `event`, in order."""
    match event:
        case SpeechStarted() | SpeechStopped() | SilenceNoticed() | AudioCommitted() | AudioCleared():
            return [_input_body(event)]
        case ItemAdded() | ItemDone() | ItemRetrieved() | ItemDeleted() | ItemTruncated():
            return [_item_body(event)]
        case McpCallStarted() | McpCallEnded() | ListingStarted() | ListingEnded():
            return [_mcp_body(event)]
        case ResponseItemStarted():
            return _response_item_started(event)
        case ResponseItemEnded():
            return _response_item_ended(event)
        case ResponseCall():
            return _response_call(event)
        case OutputCleared():
            return [("output_audio_buffer.cleared", {"response_id": event.response_id})]
        case Problem():
            return [_problem_body(event.error)]
        case _:
            assert_never(event)


def _input_body(event: InputEvent) -> Body:
    """What became of the audio that the client sends."""
    match event:
        case SpeechStarted():
            fields: Json = {"audio_start_ms": event.audio_start_ms, "item_id": event.item_id}
            return "input_audio_buffer.speech_started", fields
        case SpeechStopped():
            fields = {"audio_end_ms": event.audio_end_ms, "item_id": event.item_id}
            return "input_audio_buffer.speech_stopped", fields
        case SilenceNoticed():
            fields = {
                "audio_start_ms": event.audio_start_ms,
                "audio_end_ms": event.audio_end_ms,
                "item_id": event.item_id,
            }
            return "input_audio_buffer.timeout_triggered", fields
        case AudioCommitted():
            fields = {"previous_item_id": event.previous_item_id, "item_id": event.item_id}
            return "input_audio_buffer.committed", fields
        case AudioCleared():
            return "input_audio_buffer.cleared", {}
        case _:
            assert_never(event)


def _item_body(event: ItemEvent) -> Body:
    """What became of an item of the conversation."""
    match event:
        case ItemAdded():
            return _placed("conversation.item.added", event)
        case ItemDone():
            return _placed("conversation.item.done", event)
        case ItemRetrieved():
            return "conversation.item.retrieved", {"item": render_item(event.item)}
        case ItemDeleted():
            return "conversation.item.deleted", {"item_id": event.item_id}
        case ItemTruncated():
            fields: Json = {
                "item_id": event.item_id,
                "content_index": event.content_index,
                "audio_end_ms": event.audio_end_ms,
            }
            return "conversation.item.truncated", fields
        case _:
            assert_never(event)


def transcript_body(event: TranscriptEvent) -> Body:
    """What the person said, for clients that asked to see it."""
    kind = "conversation.item.input_audio_transcription"
    place: Json = {"item_id": event.item_id, "content_index": event.content_index}
    match event:
        case TranscriptPartial():
            return f"{kind}.delta", {**place, "delta": event.delta}
        case TranscriptFinal():
            usage: Json = {"type": "duration", "seconds": event.duration_s}
            return f"{kind}.completed", {**place, "transcript": event.text, "usage": usage}
        case TranscriptFailed():
            error: Json = {"type": "transcription_error", "code": event.code, "message": event.message}
            return f"{kind}.failed", {**place, "error": error}
        case _:
            assert_never(event)


def _mcp_body(event: McpEvent) -> Body:
    """How a call of a MCP tool, or the listing of a server's tools, goes on."""
    match event:
        case McpCallStarted():
            return _of_call("in_progress", event)
        case McpCallEnded():
            return _of_call("completed" if event.ok else "failed", event)
        case ListingStarted():
            return "mcp_list_tools.in_progress", {"item_id": event.item_id}
        case ListingEnded():
            step = "completed" if event.ok else "failed"
            return f"mcp_list_tools.{step}", {"item_id": event.item_id}
        case _:
            assert_never(event)


def _of_call(step: str, event: McpCallStarted | McpCallEnded) -> Body:
    return f"response.mcp_call.{step}", {"item_id": event.item_id, "output_index": event.index}


def _placed(
    kind: str, event: ItemAdded | ItemDone | ResponseItemStarted | ResponseItemEnded | ResponseCall
) -> Body:
    return kind, {"previous_item_id": event.previous_item_id, "item": render_item(event.item)}


def _problem_body(error: ClientError) -> Body:
    """A command that was not obeyed."""
    fields: Json = {
        "type": TYPES[error.blame],
        "code": code_of(error),
        "message": message_of(error),
        "param": param_of(error),
        "event_id": error.ref,
    }
    return "error", {"error": fields}


def place_of(response: Response, item_id: str) -> Json:
    """Where in a response the message's content lies."""
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
    """A message begins."""
    response, item = event.response, event.item
    return [
        _output_item("response.output_item.added", response, item, response.message_index),
        *_remembered("conversation.item.added", event),
        ("response.content_part.added", {**place_of(response, item.id), "part": _part(response, "")}),
    ]


def _response_item_ended(event: ResponseItemEnded) -> list[Body]:
    """A message is over."""
    response, item = event.response, event.item
    place = place_of(response, item.id)
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

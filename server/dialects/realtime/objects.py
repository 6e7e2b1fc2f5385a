"""Items and responses as the Realtime protocol writes them.

What looks like an oddity is some client's requirement: the content of a spoken user's item always has the
key `transcript`, and `usage` of a finished response is never null.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from server.dialects.realtime.errors import TYPES, code_of, message_of
from server.dialects.realtime.mcp_tools import render_mcp
from server.dialects.realtime.session import render_format
from server.dialects.realtime.setting_checks import Json
from server.domain.events import ResponseEnded
from server.domain.values import Item, Part, Response, ResponseReason, Role
from stages.ports import Usage

_REASONS: Mapping[ResponseReason, str] = {
    "speech": "turn_detected",
    "client": "client_cancelled",
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}
"""Why a response did not come to its proper end, in the words of the protocol."""


def render_item(item: Item) -> Json:
    """A conversation item. An answer that has only begun has no content yet."""
    if item.detail is not None:
        return render_mcp(item)
    head: Json = {"id": item.id, "object": "realtime.item", "status": item.status}
    if item.kind == "call":
        call: Json = {"call_id": item.call_id, "name": item.name, "arguments": item.text}
        return {**head, "type": "function_call", **call}
    if item.kind == "output":
        return {**head, "type": "function_call_output", "call_id": item.call_id, "output": item.text}
    return {**head, "type": "message", "role": item.role, "content": _content(item)}


def _content(item: Item) -> list[JsonValue]:
    if item.parts:
        return [_piece(part, item.role) for part in item.parts]
    if item.role == "assistant" and item.status == "in_progress" and not item.text:
        return []
    return [_piece(Part(item.text, item.spoken), item.role)]


def _piece(part: Part, role: Role) -> Json:
    if role == "assistant":
        kind, words = ("output_audio", "transcript") if part.spoken else ("output_text", "text")
        return {"type": kind, words: part.text}
    if not part.spoken:
        return {"type": "input_text", "text": part.text}
    transcript = part.text if part.transcript is None else part.transcript
    return {"type": "input_audio", "transcript": transcript or None}


def render_usage(usage: Usage) -> Json:
    """The usage of tokens; all five keys are always there."""
    return {
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_token_details": {"text_tokens": usage.input_tokens, "audio_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": usage.output_tokens, "audio_tokens": 0},
    }


def render_response(response: Response, conversation_id: str) -> Json:
    """A response that has begun."""
    config = response.config
    return {
        "object": "realtime.response",
        "id": response.id,
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "conversation_id": conversation_id if response.in_conversation else None,
        "output_modalities": [response.modality],
        "max_output_tokens": config.max_output_tokens or "inf",
        "audio": {"output": {"format": render_format(config.output_format), "voice": config.voice}},
        "usage": None,
        "metadata": dict(response.metadata) if response.metadata is not None else None,
    }


def render_status(event: ResponseEnded) -> Json | None:
    """Why a response did not come to its proper end."""
    if event.status == "completed":
        return None
    details: Json = {"type": event.status}
    if event.reason is not None:
        details["reason"] = _REASONS[event.reason]
    if event.error is not None:
        error = event.error
        details["error"] = {
            "type": TYPES[error.blame],
            "code": code_of(error),
            "message": message_of(error),
        }
    return details

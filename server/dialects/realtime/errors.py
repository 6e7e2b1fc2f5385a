"""Errors in the words of the Realtime protocol: codes, types, the paths of fields, and words that clients look for."""

from collections.abc import Mapping
from typing import assert_never

from server.domain.errors import Blame, ClientError, Fault

TYPES: Mapping[Blame, str] = {
    "client": "invalid_request_error",
    "limit": "rate_limit_error",
    "server": "server_error",
}

_PATHS: Mapping[str, str] = {
    "data": "audio",
    "after": "previous_item_id",
    "item.parts": "item.content",
    "item.approval": "item.approval_request_id",
    "options.context": "response.input",
    "options.in_conversation": "response.conversation",
    "config.turn_detection": "session.audio.input.turn_detection",
    "config.truncation": "session.truncation",
}
"""Fields of commands that have another name in the protocol."""

_SAID: Mapping[Fault, str] = {
    # Many clients know this one by its words, not by its code, and let it pass.
    Fault.NOTHING_TO_COMMIT: "Error committing input audio buffer: buffer too small. {}",
    Fault.CONTEXT_TOO_LONG: '{} For that, set session.truncation to "auto".',
}
"""What is said around the message of a fault."""


def code_of(error: ClientError) -> str:
    """Its code on the wire; what the dialect itself has found has that already."""
    return _code(error.code) if isinstance(error.code, Fault) else error.code


def param_of(error: ClientError) -> str | None:
    """The field that it is about, as the client has sent it."""
    if error.param is None or not isinstance(error.code, Fault):
        return error.param
    path, bracket, rest = error.param.partition("[")
    return _PATHS.get(path, path) + bracket + rest


def message_of(error: ClientError) -> str:
    """What it says to people, and to clients that look for words in it."""
    said = _SAID.get(error.code) if isinstance(error.code, Fault) else None
    return error.message if said is None else said.format(error.message)


def _code(fault: Fault) -> str:  # noqa: C901  # a table, of which mypy knows whether it is whole
    match fault:
        case Fault.ITEM_TO_RETRIEVE_UNKNOWN:
            return "item_retrieve_invalid_item_id"
        case Fault.ITEM_TO_DELETE_UNKNOWN:
            return "item_delete_invalid_item_id"
        case Fault.ITEM_TO_TRUNCATE_UNKNOWN:
            return "item_truncate_invalid_item_id"
        case Fault.PLAYED_ITEM_UNKNOWN:
            return "item_playback_invalid_item_id"
        case Fault.ITEM_NOT_SPOKEN:
            return "unsupported_content_type"
        case Fault.CALL_UNKNOWN:
            return "invalid_tool_call_id"
        case Fault.NOTHING_TO_COMMIT:
            return "input_audio_buffer_commit_empty"
        case Fault.COMMIT_IS_DUE:
            return "input_audio_buffer_full"
        case Fault.RESPONSE_IS_ACTIVE:
            return "conversation_already_has_active_response"
        case Fault.NO_RESPONSE_IS_ACTIVE:
            return "response_cancel_not_active"
        case Fault.CONTEXT_TOO_LONG:
            return "context_length_exceeded"
        case Fault.TOO_MANY_CLIPS:
            return "too_much_audio"
        case Fault.RATE_LIMIT:
            return "rate_limit_exceeded"
        case Fault.AUDIO_QUOTA:
            return "audio_quota_reached"
        case Fault.SESSION_LIMIT:
            return "session_limit_reached"
        case Fault.FAILURE:
            return "server_error"
        case Fault.INVALID_VALUE | Fault.CONVERSATION_TOO_LONG | Fault.TOO_MANY_RESPONSES:
            return fault.value
        case Fault.SESSION_EXPIRED | Fault.SESSION_IDLE:
            return fault.value
        case _:
            assert_never(fault)

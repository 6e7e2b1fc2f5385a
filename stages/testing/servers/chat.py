"""A chat server that speaks as OpenAI's does, or in one of the ways of the many servers that speak nearly so.

It says `TEXT`, or calls the tool `add` with 1 and 2, in the form that its `ChatMode` names, and judges every request as
strictly as the server of that mode would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from stages.testing.servers.faults import Faults
from stages.testing.servers.http import Answered, Asked, Complaint

_FIELDS = {
    *("model", "messages", "stream", "stream_options", "tools", "tool_choice", "max_tokens"),
    "max_completion_tokens",
}
_ROLES = {"system", "user", "assistant", "tool"}


@dataclass(frozen=True, slots=True)
class ChatMode:
    """How a server answers, and what it refuses."""

    body: Sequence[bytes | float]
    content_type: str = "text/event-stream"
    refuses: str = ""
    """A field that must not be there."""
    refusal: str = ""
    """What the server says then; without one, what a strict validator says."""
    status: int = 400
    roles: str = "any"
    """`one system`: only at the beginning; `alternate`: user and assistant in turn besides; `no system`: none."""
    has_end: bool = True


class ChatService:
    """Chat completions at `/v1/chat/completions`, for one model and one key."""

    def __init__(self, mode: ChatMode, *, model: str = "fake-chat", key: str = "fake-key") -> None:
        self._mode = mode
        self._model = model
        self._key = key

    def answer(self, asked: Asked, faults: Faults) -> Answered:
        """The answer in this mode, or the refusal."""
        if asked.headers.get("authorization") != f"Bearer {self._key}":
            return _refusal("Incorrect API key provided.", 401, "invalid_api_key")
        if (asked.method, asked.path) == ("GET", "/v1/models"):
            return Answered.of({"object": "list", "data": []})
        if asked.path != "/v1/chat/completions":
            return _refusal(f"Unknown path {asked.path}", 404)
        request = asked.data
        if request.get("model") != self._model:
            words = f"The model `{request.get('model')}` has been retired or does not exist."
            return _refusal(words, 404, "model_not_found")
        _judge(request)
        mode = self._mode
        if mode.refuses and mode.refuses in request:
            return _refusal(mode.refusal or f"{mode.refuses}: Extra inputs are not permitted", mode.status)
        if words := _role_fault([one["role"] for one in request["messages"]], mode.roles):
            return _refusal(words, mode.status)
        if mode.content_type == "application/json":
            return Answered(b"".join(piece for piece in mode.body if isinstance(piece, bytes)))
        return Answered(mode.body, mode.content_type, has_end=mode.has_end)


def _refusal(words: str, status: int, code: str | None = None) -> Answered:
    return Answered.of(
        {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": code}}, status
    )


def _judge(request: Mapping[str, Any]) -> None:
    if unknown := set(request) - _FIELDS:
        raise Complaint(f"unknown fields {sorted(unknown)}")
    if request.get("stream") is not True or not isinstance(request.get("messages"), list):
        raise Complaint("no stream, or no messages, were asked for")
    open_calls: set[str] = set()
    for message in request["messages"]:
        if message.get("role") not in _ROLES or not isinstance(message.get("content"), str):
            raise Complaint(f"no message: {message}")
        open_calls |= {call["id"] for call in message.get("tool_calls", ())}
        if message["role"] == "tool" and message.get("tool_call_id") not in open_calls:
            raise Complaint(f"a result without its call: {message}")


def _role_fault(roles: Sequence[str], wanted: str) -> str:
    if wanted == "any":
        return ""
    if "system" in roles and wanted == "no system":
        return "System role not supported"
    if "system" in roles[1:]:
        return "System message must be at the beginning."
    turns = [role for role in roles if role in ("user", "assistant")]
    is_odd = turns[:1] == ["assistant"] or any(a == b for a, b in pairwise(turns))
    if wanted in ("alternate", "no system") and is_odd:
        return "Conversation roles must alternate user/assistant/user/assistant/..."
    return ""

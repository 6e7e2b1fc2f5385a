"""A server of the Responses interface: it says a text, calls a tool, or fails, and judges what it is asked."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.testing.servers.chat_stream import ARGUMENTS, Body, line
from stages.testing.servers.faults import Faults
from stages.testing.servers.http import Answered, Asked, Complaint

KEY = "fake-key"
_FIELDS = {
    *("model", "input", "stream", "store", "tools", "tool_choice", "max_output_tokens", "reasoning"),
    "instructions",
}
_ITEMS: Mapping[str, set[str]] = {
    "message": {"role", "content"},
    "function_call": {"type", "call_id", "name", "arguments"},
    "function_call_output": {"type", "call_id", "output"},
}


class ResponsesService:
    """Responses at `/v1/responses`, for one model and one key."""

    def __init__(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._events = events

    def answer(self, asked: Asked, faults: Faults) -> Answered:
        """The events, or the refusal."""
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return Answered.of({"error": {"message": "Incorrect API key.", "code": "invalid_api_key"}}, 401)
        if (asked.method, asked.path) == ("GET", "/v1/models"):
            return Answered.of({"object": "list", "data": []})
        if asked.path != "/v1/responses":
            return Answered.of({"detail": "Not Found"}, 404)
        request = asked.data
        if unknown := set(request) - _FIELDS:
            raise Complaint(f"unknown fields {sorted(unknown)}")
        if request.get("model") != "fake-chat":
            return Answered.of({"error": {"message": "The model has been retired."}}, 404)
        for item in request["input"]:
            if set(item) != _ITEMS.get(item.get("type", "message")):
                raise Complaint(f"no item: {item}")
        if request.get("max_output_tokens", 16) < 16:
            return Answered.of({"error": {"message": "max_output_tokens is below 16"}}, 400)
        body: Body = [f"event: {event['type']}\n{line(event)}".encode() for event in self._events]
        return Answered(body, "text/event-stream")


def _end(kind: str = "completed", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 9, "output_tokens": 8, "total_tokens": 17}
    return {"type": f"response.{kind}", "response": {"status": kind, "usage": usage, **more}}


def says(text: str, end: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
    """The events of an answer in words, after a thought."""
    item = {"item_id": "m", "output_index": 1, "content_index": 0}
    words = [
        {"type": "response.output_text.delta", "delta": text[at : at + 5], **item}
        for at in range(0, len(text), 5)
    ]
    return [
        {"type": "response.created", "response": {}},
        {"type": "response.reasoning_summary_text.delta", "delta": "They greet me."},
        {"type": "response.output_item.added", "item": {"type": "message"}},
        *words,
        {"type": "response.output_text.done", "text": text, **item},
        {"type": "response.output_item.done", "item": {"type": "message"}},
        end or _end(),
    ]


CALLS: Sequence[Mapping[str, Any]] = (
    {"type": "response.created", "response": {}},
    {"type": "response.function_call_arguments.delta", "item_id": "f", "delta": ARGUMENTS[:5]},
    {
        "type": "response.output_item.done",
        "item": {"type": "function_call", "id": "f", "call_id": "c1", "name": "add", "arguments": ARGUMENTS},
    },
    _end(),
)
"""`add` is called."""

CUT_SHORT = says("Once upon a time", _end("incomplete", incomplete_details={"reason": "max_output_tokens"}))
FAILS = (_end("failed", error={"code": "server_error", "message": "it broke"}),)
ERROR = ({"type": "error", "code": "rate_limit_exceeded", "message": "it broke"},)
"""An error in the stream."""

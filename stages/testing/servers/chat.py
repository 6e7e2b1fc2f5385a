"""A chat server that speaks as OpenAI's does, or in one of the ways of the many servers that speak nearly so.

It says `TEXT`, or calls the tool `add` with 1 and 2, in the form that its `ChatMode` names, and judges every request as
strictly as the server of that mode would.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from stages.testing.servers.faults import Faults
from stages.testing.servers.http import Answered, Asked, Complaint

TEXT = "Good day. What may I do for you?"
SECRET = "They have greeted me; a short answer will do."
"""What the model thinks. Nobody must ever hear it."""
ARGUMENTS = '{"a": 1, "b": 2}'
_FIELDS = {
    *("model", "messages", "stream", "stream_options", "tools", "tool_choice", "max_tokens"),
    "max_completion_tokens",
}
_ROLES = {"system", "user", "assistant", "tool"}

Body = list[bytes | float]


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


# --- bodies -------------------------------------------------------------------------------------------------


def delta(content: object = None, finish: str | None = None, **fields: object) -> dict[str, object]:
    """A chunk as OpenAI's server sends it."""
    said = {"content": content, **fields}
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "fake-chat", "choices": [choice]}


def call(arguments: object = None, name: str | None = None, **fields: object) -> dict[str, object]:
    """A chunk with a piece of a call."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return delta(tool_calls=[{**fields, "function": function}])


USAGE: Mapping[str, object] = {
    "id": "chatcmpl-1",
    "choices": [],
    "usage": {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17},
}
STOP = delta(finish="stop")
CALLS = delta(finish="tool_calls")
DONE = "data: [DONE]\n\n"

Event = Mapping[str, object] | str | float


def stream(*events: Event, done: bool = True) -> Body:
    """Events as bytes: a mapping as JSON, text as it is, a number as a pause."""
    all_events = (*events, DONE) if done else events
    return [
        event if isinstance(event, float) else (event if isinstance(event, str) else line(event)).encode()
        for event in all_events
    ]


def line(chunk: Mapping[str, object]) -> str:
    """One event of a stream."""
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


def written(text: str, *after: Event) -> Body:
    """The text, a few letters at a time, so that whatever is in it is cut somewhere."""
    return stream(*_cut(text), *(after or (STOP, USAGE)))


def _cut(text: str, chars: int = 5) -> Iterator[dict[str, object]]:
    yield delta("", role="assistant")
    for at in range(0, len(text), chars):
        yield delta(text[at : at + chars])


def _calls(*pieces: Event, finish: Event = CALLS) -> ChatMode:
    return ChatMode(stream(*pieces, finish))


def _says(text: str) -> ChatMode:
    return ChatMode(written(text))


SAYING: Mapping[str, ChatMode] = {
    "as OpenAI": _says(TEXT),
    "no opening tag": _says(f"Okay, the user greets me. {SECRET}\n</think>\n\n{TEXT}"),
    "think": _says(f"<think>{SECRET}</think>\n\n{TEXT}"),
    "reasoning": _says(f"<reasoning>{SECRET}</reasoning>{TEXT}"),
    "capitals": _says(f"<Thinking>\n{SECRET}\n</Thinking>\n{TEXT}"),
    "namespace": _says(f"<seed:think>{SECRET}</seed:think>{TEXT}"),
    "details": _says(
        f'<details type="reasoning" done="true">\n<summary>Thought</summary>\n> {SECRET}\n</details>\n{TEXT}'
    ),
    "brackets": _says(f"[THINK]{SECRET}[/THINK]{TEXT}"),
    "triangles": _says(f"◁think▷{SECRET}◁/think▷{TEXT}"),
    "channels": _says(
        f"<|channel|>analysis<|message|>{SECRET}<|end|><|start|>assistant<|channel|>final<|message|>{TEXT}<|return|>"
    ),
    "one channel": _says(f"<|channel>thought\n{SECRET}<channel|>{TEXT}"),
    "reasoning beside": ChatMode(
        stream(delta(None, reasoning_content=SECRET), delta(None, reasoning=SECRET), *_cut(TEXT), STOP)
    ),
    "end token im": _says(f"{TEXT}<|im_end|>"),
    "end token s": _says(f"{TEXT}</s>"),
    "end token eot": _says(f"{TEXT}<|eot_id|>"),
    "begins with a role": _says(f"assistant: {TEXT}"),
    "template": _says(f"<|im_start|>assistant\n{TEXT}<|im_end|>"),
    "no usage": ChatMode(stream(*_cut(TEXT), STOP)),
    "no end but usage": ChatMode(stream(*_cut(TEXT), USAGE, done=False)),
    "no end at all": ChatMode(stream(*_cut(TEXT), done=False)),
    "no done": ChatMode(stream(*_cut(TEXT), STOP, done=False)),
    "open after the end": ChatMode(stream(*_cut(TEXT), STOP, 30.0, done=False)),
    "cut after the end": ChatMode(stream(*_cut(TEXT), STOP, done=False), has_end=False),
    "more after done": ChatMode(stream(*_cut(TEXT), STOP, DONE, delta(" EXTRA"))),
    "text after the reason": ChatMode(stream(delta(TEXT[:9]), STOP, delta(TEXT[9:]), STOP)),
    "empty reason": ChatMode(stream(delta(TEXT[:9], finish=""), delta(TEXT[9:]), STOP)),
    "empty choices": ChatMode(stream({"choices": []}, {"choices": None}, {}, *_cut(TEXT), STOP)),
    "null content": ChatMode(stream(delta(None), delta(None, tool_calls=None), *_cut(TEXT), STOP)),
    "no delta": ChatMode(stream({"choices": [{"index": 0}]}, *_cut(TEXT), STOP)),
    "message": ChatMode(stream({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]})),
    "text": ChatMode(stream({"choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}]})),
    "two choices": ChatMode(
        stream(*_cut(TEXT), {"choices": [{"index": 1, "delta": {"content": "Other"}}]}, STOP)
    ),
    "comments": ChatMode(stream(": PROCESSING\n\n", ":\n\n", *_cut(TEXT), ": alive\n\n", STOP)),
    "pings": ChatMode(stream("event: ping\ndata: {}\n\n", *_cut(TEXT), STOP)),
    "carriage returns": ChatMode(stream(*(line(one).replace("\n", "\r\n") for one in _cut(TEXT)), STOP)),
    "no spaces": ChatMode(stream(*(line(one).replace("data: ", "data:") for one in _cut(TEXT)), STOP)),
    "single newlines": ChatMode(stream(*(line(one)[:-1] for one in _cut(TEXT)), STOP)),
    "byte order mark": ChatMode(stream("\ufeff", *_cut(TEXT), STOP)),
    "no stream": ChatMode(
        [
            json.dumps(
                {"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}, indent=2
            ).encode()
        ],
        content_type="application/json",
    ),
    "refuses stream_options": ChatMode(written(TEXT), refuses="stream_options", status=422),
    "one system message": ChatMode(written(TEXT), roles="one system"),
    "alternating roles": ChatMode(written(TEXT), roles="alternate"),
    "no system message": ChatMode(written(TEXT), roles="no system", status=500),
    "refuses max_tokens": ChatMode(
        written(TEXT), refuses="max_tokens", refusal="Use 'max_completion_tokens' instead of 'max_tokens'."
    ),
    "refuses tools": ChatMode(written(TEXT), refuses="tools", refusal="fake-chat does not support tools"),
}
"""Modes in which `TEXT` is said, and nothing else, whatever is asked."""

_HERMES = f'<tool_call>\n{{"name": "add", "arguments": {ARGUMENTS}}}\n</tool_call>'

CALLING: Mapping[str, ChatMode] = {
    "as OpenAI": _calls(
        call("", "add", index=0, id="x", type="function"),
        call('{"a": 1,', index=0),
        call(' "b": 2}', index=0),
    ),
    "in one piece": _calls(call(ARGUMENTS, "add", index=0, id="x")),
    "no index": _calls(call(ARGUMENTS, "add", id="x")),
    "no id": _calls(call('{"a": 1,', "add", index=0), call(' "b": 2}', index=0)),
    "neither": _calls(call('{"a": 1,', "add"), call(' "b": 2}')),
    "an object": _calls(call({"a": 1, "b": 2}, "add", index=0, id="x")),
    "index from one": _calls(call("", "add", index=1, id="x"), call(ARGUMENTS, index=1)),
    "index as text": _calls(call("", "add", index="0", id="x"), call(ARGUMENTS, index="0")),
    "an id in each piece": _calls(
        call("", "add", index=0, id="70"),
        call('{"a": 1,', "", index=0, id="t-1"),
        call(' "b": 2}', "", index=0, id="t-2"),
    ),
    "a name in each piece": _calls(
        call("", "add", index=0, id="x"),
        call('{"a": 1,', "add", index=0, id="x"),
        call(' "b": 2}', "add", index=0, id="x"),
    ),
    "a name in each piece, no id": _calls(
        call("", "add", index=0), call('{"a": 1,', "add", index=0), call(' "b": 2}', "add", index=0)
    ),
    "empty names later": _calls(
        call("", "add", index=0, id="x"),
        call('{"a": 1,', "", index=0, id=""),
        call(' "b": 2}', "", index=0, id=""),
    ),
    "null arguments first": _calls(call(None, "add", index=0, id="x"), call(ARGUMENTS, index=0)),
    "finished by stop": _calls(call(ARGUMENTS, "add", index=0, id="x"), finish=STOP),
    "the old field": _calls(
        delta(function_call={"name": "add", "arguments": '{"a": 1,'}),
        delta(function_call={"arguments": ' "b": 2}'}),
        finish=delta(finish="function_call"),
    ),
    "blank words before": _calls(delta("    "), delta("\n"), call(ARGUMENTS, "add", index=0, id="x")),
    "text, tagged": _says(_HERMES),
    "text, in brackets": _says(f"[TOOL_CALLS]add{ARGUMENTS}"),
    "text, a list in brackets": _says(f'[TOOL_CALLS][{{"name": "add", "arguments": {ARGUMENTS}}}]'),
    "text, with separators": _says(f"[TOOL_CALLS]add[ARGS]{ARGUMENTS}"),
    "text, bare": _says(f'{{"name": "add", "parameters": {ARGUMENTS}}}'),
    "text, fenced": _says(f'```json\n{{"name": "add", "arguments": {ARGUMENTS}}}\n```'),
    "text, after a thought": _says(f"<think>{SECRET}</think>\n{_HERMES}"),
    "text, in code": _says("[add(a=1, b=2)]"),
    "text, a function": _says(f"<function=add>{ARGUMENTS}</function>"),
    "text, parameters": _says(
        "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n2\n</parameter>\n</function>\n</tool_call>"
    ),
    "text, keys and values": _says(
        "<tool_call>add\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n<arg_key>b</arg_key>\n<arg_value>2</arg_value>\n</tool_call>"
    ),
    "text, python tag": _says(f'<|python_tag|>{{"name": "add", "parameters": {ARGUMENTS}}}<|eom_id|>'),
    "text, a channel": _says(
        f"<|channel|>commentary to=functions.add <|constrain|>json<|message|>{ARGUMENTS}<|call|>"
    ),
    "text, a section": _says(
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.add:0<|tool_call_argument_begin|>"
        f"{ARGUMENTS}<|tool_call_end|><|tool_calls_section_end|>"
    ),
}
"""Modes in which `add` is called with `ARGUMENTS`, once, and nothing is said."""

FAILING: Mapping[str, ChatMode] = {
    "error in a chunk": ChatMode(
        stream(delta("I think"), {**delta("", finish="error"), "error": {"code": 502, "message": "it broke"}})
    ),
    "error at once": ChatMode(stream({"choices": [], "error": {"code": 502, "message": "it broke"}})),
    "error as text": ChatMode(stream(delta("I think"), {"error": "it broke"})),
    "error as an event": ChatMode(
        stream('event: error\ndata: {"error": {"message": "it broke", "code": "tool_use_failed"}}\n\n')
    ),
    "error without a stream": ChatMode(stream({"object": "error", "message": "it broke", "code": 500})),
    "error as bare JSON": ChatMode(stream('{"error": "it broke"}\n', done=False)),
    "finished by an error": ChatMode(stream(delta("", role="assistant"), delta(finish="error"))),
    "nothing": ChatMode(stream(delta("", role="assistant"), done=False)),
    "cut": ChatMode(stream(delta("I think"), done=False), has_end=False),
}
"""Modes in which the server fails."""


def mode_of(events: Iterable[Event], **fields: Any) -> ChatMode:
    """A mode of one's own."""
    return ChatMode(stream(*events), **fields)

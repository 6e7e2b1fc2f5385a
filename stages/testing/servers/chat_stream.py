"""The stream of a chat server, as OpenAI's server sends it: chunks, calls and ends, made into bytes."""

import json
from collections.abc import Iterator, Mapping

TEXT = "Good day. What may I do for you?"
SECRET = "They have greeted me; a short answer will do."
"""What the model thinks. Nobody must ever hear it."""
ARGUMENTS = '{"a": 1, "b": 2}'

Body = list[bytes | float]


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
    return stream(*pieces(text), *(after or (STOP, USAGE)))


def pieces(text: str, chars: int = 5) -> Iterator[dict[str, object]]:
    """The text as chunks of so many characters."""
    yield delta("", role="assistant")
    for at in range(0, len(text), chars):
        yield delta(text[at : at + chars])

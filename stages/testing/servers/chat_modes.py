"""The ways of servers that speak nearly as OpenAI's chat server does: to say something, to call a tool, to fail."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from stages.testing.servers.chat import ChatMode
from stages.testing.servers.chat_stream import (
    ARGUMENTS,
    CALLS,
    DONE,
    SECRET,
    STOP,
    TEXT,
    USAGE,
    Event,
    call,
    delta,
    line,
    pieces,
    stream,
    written,
)


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
        stream(delta(None, reasoning_content=SECRET), delta(None, reasoning=SECRET), *pieces(TEXT), STOP)
    ),
    "end token im": _says(f"{TEXT}<|im_end|>"),
    "end token s": _says(f"{TEXT}</s>"),
    "end token eot": _says(f"{TEXT}<|eot_id|>"),
    "begins with a role": _says(f"assistant: {TEXT}"),
    "template": _says(f"<|im_start|>assistant\n{TEXT}<|im_end|>"),
    "no usage": ChatMode(stream(*pieces(TEXT), STOP)),
    "no end but usage": ChatMode(stream(*pieces(TEXT), USAGE, done=False)),
    "no end at all": ChatMode(stream(*pieces(TEXT), done=False)),
    "no done": ChatMode(stream(*pieces(TEXT), STOP, done=False)),
    "open after the end": ChatMode(stream(*pieces(TEXT), STOP, 30.0, done=False)),
    "cut after the end": ChatMode(stream(*pieces(TEXT), STOP, done=False), has_end=False),
    "more after done": ChatMode(stream(*pieces(TEXT), STOP, DONE, delta(" EXTRA"))),
    "text after the reason": ChatMode(stream(delta(TEXT[:9]), STOP, delta(TEXT[9:]), STOP)),
    "empty reason": ChatMode(stream(delta(TEXT[:9], finish=""), delta(TEXT[9:]), STOP)),
    "empty choices": ChatMode(stream({"choices": []}, {"choices": None}, {}, *pieces(TEXT), STOP)),
    "null content": ChatMode(stream(delta(None), delta(None, tool_calls=None), *pieces(TEXT), STOP)),
    "no delta": ChatMode(stream({"choices": [{"index": 0}]}, *pieces(TEXT), STOP)),
    "message": ChatMode(stream({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]})),
    "text": ChatMode(stream({"choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}]})),
    "two choices": ChatMode(
        stream(*pieces(TEXT), {"choices": [{"index": 1, "delta": {"content": "Other"}}]}, STOP)
    ),
    "comments": ChatMode(stream(": PROCESSING\n\n", ":\n\n", *pieces(TEXT), ": alive\n\n", STOP)),
    "pings": ChatMode(stream("event: ping\ndata: {}\n\n", *pieces(TEXT), STOP)),
    "carriage returns": ChatMode(stream(*(line(one).replace("\n", "\r\n") for one in pieces(TEXT)), STOP)),
    "no spaces": ChatMode(stream(*(line(one).replace("data: ", "data:") for one in pieces(TEXT)), STOP)),
    "single newlines": ChatMode(stream(*(line(one)[:-1] for one in pieces(TEXT)), STOP)),
    "byte order mark": ChatMode(stream("\ufeff", *pieces(TEXT), STOP)),
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

"""More ways in which chat servers, and the templates of their models, are odd: tables beside those of `chat`."""

from collections.abc import Mapping

from stages.testing.servers.chat import ChatMode
from stages.testing.servers.chat_stream import (
    ARGUMENTS,
    CALLS,
    SECRET,
    STOP,
    TEXT,
    USAGE,
    Event,
    call,
    delta,
    stream,
    written,
)


def _says(text: str) -> ChatMode:
    return ChatMode(written(text))


def _sends(*events: Event) -> ChatMode:
    return ChatMode(stream(*events))


def _message(**message: object) -> dict[str, object]:
    """A chunk with a whole message."""
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}]}


_TURNS = {"start": "<start_of_turn>model\n", "end": "<end_of_turn>"}
_FIRST, _REST = TEXT[:9], TEXT[9:]

ODD_SAYING: Mapping[str, ChatMode] = {
    "thought and answer in lines": _says(f"Thought: {SECRET}\nFinal Answer: {TEXT}"),
    "no action": _says(f"Thought: {SECRET}\nAction: None\nAnswer: {TEXT}"),
    "what a tool gave, made up": _says(f"✿RESULT✿: {SECRET}\n✿RETURN✿: {TEXT}"),
    "channels without tokens": _says(f"analysis{SECRET}assistantfinal{TEXT}"),
    "thought and response": _says(f"<think>{SECRET}</think>\n\n<response>\n{TEXT}</response>"),
    "thought and answer": _says(f"<think>{SECRET}</think>\n<answer>{TEXT}</answer>"),
    "no thought": _says(f"<think>\n\n</think>\n\n{TEXT}"),
    "thoughts between": _says(f"<think>{SECRET}</think>{_FIRST}<think>{SECRET}</think>{_REST}"),
    "tokens of thoughts": _says(
        f"<|START_THINKING|>{SECRET}<|END_THINKING|><|START_RESPONSE|>{TEXT}<|END_RESPONSE|>"
    ),
    "turns": _says(f"{_TURNS['start']}{TEXT}{_TURNS['end']}"),
    "instruction": _says(f" [/INST] {TEXT}"),
    "bracketed end": _says(f"{TEXT}[EOS]"),
    "padded": _says(f"<s>{TEXT}</s><pad><pad>"),
    "parts": _sends(
        delta([{"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]}]),
        delta([{"type": "reasoning", "text": SECRET}]),
        delta([{"type": "text", "text": _FIRST}]),
        delta({"type": "text", "text": _REST}),
        STOP,
    ),
    "details of reasoning": _sends(
        delta(None, reasoning_details=[{"type": "reasoning.text", "text": SECRET}]), delta(TEXT), STOP
    ),
    "the message at the end": _sends(delta(_FIRST), delta(_REST), _message(content=TEXT)),
    "the message with each piece": _sends(
        {"choices": [{"delta": {"content": _FIRST}, "message": {"content": _FIRST}}]},
        {"choices": [{"delta": {"content": _REST}, "message": {"content": TEXT}}]},
        _message(content=TEXT),
    ),
    "the role again": _sends(
        delta("", role="assistant"), delta(TEXT, role="assistant"), delta("", role="assistant"), STOP
    ),
    "what a tool of its own gave": _sends(delta("42", role="tool"), delta(TEXT, role="assistant"), STOP),
    "text for a delta": _sends({"choices": [{"index": 0, "delta": TEXT}]}, STOP),
    "usage with each piece": _sends({**delta(_FIRST), "usage": USAGE["usage"]}, delta(_REST), STOP, USAGE),
}
"""Modes in which `TEXT` is said, and nothing else."""

_PARAMETERS = '<{0}parameter name="a">1</{0}parameter>\n<{0}parameter name="b">2</{0}parameter>\n'
_INVOKED = f'<{{0}}invoke name="add">\n{_PARAMETERS}</{{0}}invoke>\n'

_LINES = f"Action: add\nAction Input: {ARGUMENTS}"
_OBJECT = f'{{"name": "add", "arguments": {ARGUMENTS}}}'

ODD_CALLING: Mapping[str, ChatMode] = {
    "text, in lines": _says(_LINES),
    "text, in lines after a thought": _says(f"Thought: {SECRET}\n{_LINES}"),
    "text, in lines, and made up what comes of it": _says(
        f"{_LINES}\nObservation: 4\nThought: {SECRET}\nAction: add\nAction Input: {{}}\nFinal Answer: 4"
    ),
    "text, in bold lines": _says(f"**Action:** `add`\n**Action Input:** {ARGUMENTS}"),
    "text, in lines, as code": _says("Action: add\nAction Input: a=1, b=2"),
    "text, a tool in lines": _says(f"Tool: add\nArguments:\n```json\n{ARGUMENTS}\n```"),
    "text, an action in a fence": _says(
        f'Action:\n```json\n[{{"tool_name": "add", "parameters": {ARGUMENTS}}}]\n```'
    ),
    "text, an action and its input": _says(
        f'Action:\n```\n{{"action": "add", "action_input": {ARGUMENTS}}}\n```\nObservation: 4'
    ),
    "in a line": _says("Action: add(a=1, b=2)"),
    "text, between flowers": _says(f"✿FUNCTION✿: add\n✿ARGS✿: {ARGUMENTS}\n✿RESULT✿: {SECRET}"),
    "text, bare keys": _says(
        "<start_function_call>call:add{a:1,b:2}<end_function_call><start_function_response>"
    ),
    "text, bare keys in bars": _says("<|tool_call>call:add{a:1,b:2}<tool_call|>"),
    "text, functools": _says(f"functools[{_OBJECT}]"),
    "text, a request": _says(f"[TOOL_REQUEST]{_OBJECT}[END_TOOL_REQUEST]"),
    "text, tags": _says(f"<tool_use>\n<name>add</name>\n<arguments>{ARGUMENTS}</arguments>\n</tool_use>"),
    "a name in pieces": _sends(
        call("", "a", index=0, id="x"), call("", "dd", index=0), call(ARGUMENTS, index=0), CALLS
    ),
    "a name that grows": _sends(
        call("", "a", index=0, id="x"), call("", "ad", index=0), call(ARGUMENTS, "add", index=0), CALLS
    ),
    "text, invoked": _says(f"<function_calls>\n{_INVOKED.format('')}</function_calls>"),
    "text, only invoked": _says(_INVOKED.format("")),
    "text, a namespace": _says(f"<minimax:tool_call>\n{_INVOKED.format('')}</minimax:tool_call>"),
    "text, namespaces": _says(f"<function_calls>{_INVOKED.format('steptml:')}</function_calls>"),
    "text, wide bars": _says(
        f"<｜DSML｜function_calls>\n{_INVOKED.format('｜DSML｜')}</｜DSML｜function_calls>"
    ),
    "text, a named function": _says(f'<function name="add">{ARGUMENTS}</function>'),
    "text, a separator": _says(f"<tool_call>add<tool_sep>\n```json\n{ARGUMENTS}\n```\n</tool_call>"),
    "text, an action": _says(
        f'<|START_ACTION|>[{{"tool_call_id": "0", "tool_name": "add", "parameters": {ARGUMENTS}}}]<|END_ACTION|>'
    ),
    "text, a plug-in": _says(
        f'<|action_start|><|plugin|>{{"name": "add", "parameters": {ARGUMENTS}}}<|action_end|>'
    ),
    "text, python tokens": _says("<|python_start|>[add(a=1, b=2)]<|python_end|>"),
    "text, doubled braces": _says(
        f'<tool_call>\n{{{{"name": "add", "arguments": {ARGUMENTS}}}}}\n</tool_call>'
    ),
    "text, as Python has it": _says("<tool_call>{'name': 'add', 'arguments': {'a': 1, 'b': 2}}</tool_call>"),
    "text, its id between": _says(f"[TOOL_CALLS]add[CALL_ID]abc123DEF[ARGS]{ARGUMENTS}"),
    "text, channels without tokens": _says(
        f"analysis{SECRET}assistantcommentary to=functions.add json{ARGUMENTS}"
    ),
    "as in the field": _says(f'{{"tool_calls": [{{"name": "add", "arguments": {ARGUMENTS}}}]}}'),
    "in a cell": _says("```tool_code\nadd(a=1, b=2)\n```"),
    "in a cell, printed": _says("```tool_code\nprint(add(a=1, b=2))\n```"),
    "text, and in the field": _sends(
        delta(f'<tool_call>{{"name": "add", "arguments": {ARGUMENTS}}}</tool_call>'),
        call(ARGUMENTS, "add", index=0, id="x"),
        CALLS,
    ),
    "text, with a namespace, and in the field": _sends(
        delta(f'<tool_call>{{"name": "functions.add", "arguments": {ARGUMENTS}}}</tool_call>'),
        call(ARGUMENTS, "add", index=0, id="x"),
        CALLS,
    ),
    "no list": _sends(
        delta(tool_calls={"index": 0, "id": "x", "function": {"name": "add", "arguments": ARGUMENTS}}), CALLS
    ),
    "no function": _sends(delta(tool_calls=[{"id": "x", "name": "add", "arguments": ARGUMENTS}]), CALLS),
    "JSON in JSON": _sends(call('"{\\"a\\": 1, \\"b\\": 2}"', "add", index=0, id="x"), CALLS),
    "complete once more": _sends(
        call('{"a": 1,', "add", index=0, id="x"), call(' "b": 2}', index=0), call(ARGUMENTS, index=0), CALLS
    ),
    "the message at the end": _sends(
        call(ARGUMENTS, "add", index=0, id="x"),
        _message(content=None, tool_calls=[{"id": "x", "function": {"name": "add", "arguments": ARGUMENTS}}]),
    ),
    "a namespace": _sends(call(ARGUMENTS, "functions.add", index=0, id="x"), CALLS),
    "a channel in the name": _sends(call(ARGUMENTS, " add<|channel|>commentary", index=0, id="x"), CALLS),
}
"""Modes in which `add` is called with `ARGUMENTS`, once, and nothing is said."""

"""The conversation as a language model is told it: what was heard, and what came of the calls that were made.

A model must be told the result of every call right behind it. The client's come when they come, perhaps after the
person has said more, and until then the model is told that they are on their way. A call of the server's own tools
stands between the words before it and those after, also when these were never said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from server.conversation.memory import Conversation, Entry, OwnCall
from server.domain.mcp_tools import McpCall, model_name
from stageflow.context import Message
from stageflow.tools import ToolCall

INTERRUPTED = " [interrupted by the user]"
"""Told to the model behind an answer that was cut off, so that it does not believe the rest was heard."""

PENDING = "[no result yet]"
"""Stands for what will come of a call that is made elsewhere."""

CUT_OFF = "[cut off before there was a result; it may have taken effect all the same]"
"""Stands for what came of a call of the server's own that ended with its answer."""

_UNTOLD = ("listing", "approval_request", "approval")
"""What a model learns of these lies in its tools, and in what came of its calls."""


def messages(
    conversation: Conversation, *, upto: str | None = None, without: str | None = None
) -> tuple[Message, ...]:
    """Everything heard so far that fits and was not blocked, or what was before the entry `upto`; not `without`."""
    outputs = {
        entry.call_id: entry.text
        for entry in conversation
        if entry.kind == "output" and entry.guard != "blocked"
    }
    told: list[Message] = []
    answer: list[Entry] = []  # what the agent said and called at a stretch
    is_past = False
    for entry in conversation.told():
        is_past = is_past or entry.id == upto
        if is_past and entry.own is None:
            continue  # what was done is told all the same: the words are asked once more
        if _is_blocked(entry) or entry.id == without or entry.kind in _UNTOLD:
            continue
        if answer and entry.kind != "call":
            told += _answer(answer, outputs)
            answer.clear()
        if entry.role == "assistant":
            answer.append(entry)
        elif entry.kind == "message" and entry.text:
            told.append(_message(entry, entry.text))
    return (*told, *(_answer(answer, outputs) if answer else ()))


def _message(entry: Entry, content: str) -> Message:
    """An entry as a message of its own: the same as last time, unless its words are others now."""
    if entry.message is None or entry.message.content != content:
        entry.message = Message(role=entry.role, content=content)
    return entry.message


def _is_blocked(entry: Entry) -> bool:
    asked = entry if entry.own is None else entry.own.asked
    return asked is not None and asked.guard == "blocked"


@dataclass(slots=True)
class _Step:
    """Words, and the calls behind them with their results."""

    said: str = ""
    calls: list[tuple[ToolCall, str]] = field(default_factory=list)


def _answer(entries: Sequence[Entry], outputs: Mapping[str, str]) -> Iterator[Message]:
    """A message for each step, or none before the first word, and a result for each of its calls."""
    steps = [_Step()]
    for entry in entries:
        if entry.kind == "message":
            _say(steps, entry, [other.own for other in entries if other.own and other.own.within is entry])
        elif entry.own is None:
            steps[-1].calls.append(_call(entry, outputs))
        elif all(other is not entry.own.within for other in entries):
            steps[-1].calls.append(_own_call(entry.own))
    for step in steps:
        if step.said and not step.calls and len(entries) == 1:  # as nearly always
            yield _message(entries[0], step.said)
        elif step.said or step.calls:
            calls = tuple(call for call, _ in step.calls)
            yield Message(role="assistant", content=step.said, tool_calls=calls)
        for call, result in step.calls:
            yield Message(role="tool", content=result, tool_call_id=call.id, name=call.name)


def _say(steps: list[_Step], entry: Entry, calls: Sequence[OwnCall]) -> None:
    """The words of a message that were heard, and the calls that were made between them."""
    text, at = entry.text, 0
    for own in (*calls, None):
        until = len(text) if own is None else min(own.said_chars, len(text))
        words, at = text[at:until], max(at, until)
        if words.strip():
            if steps[-1].calls:
                steps.append(_Step())
            is_last = not text[until:].strip()
            steps[-1].said += words + (INTERRUPTED if is_last and entry.heard is not None else "")
        if own is not None:
            steps[-1].calls.append(_own_call(own))


def _own_call(own: OwnCall) -> tuple[ToolCall, str]:
    return own.call, CUT_OFF if own.result is None else own.result


def _call(entry: Entry, outputs: Mapping[str, str]) -> tuple[ToolCall, str]:
    if isinstance(entry.detail, McpCall):
        name, result = model_name(entry.name), entry.detail.result
    else:
        name, result = entry.name, outputs.get(entry.call_id)
    return ToolCall(entry.call_id, name, entry.text), PENDING if result is None else result

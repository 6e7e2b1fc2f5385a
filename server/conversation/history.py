"""The conversation as a language model is told it: what was heard, and what came of the calls that were made.

A model must be told the result of every call right behind it. The client's come when they come, perhaps after the
person has said more, and until then the model is told that they are on their way.
"""

from collections.abc import Iterator, Mapping, Sequence

from server.conversation.memory import Conversation, Entry
from server.domain.mcp_tools import HostedCall, model_name
from stageflow.context import Message
from stageflow.tools import ToolCall

INTERRUPTED = " [interrupted by the user]"
"""Told to the model behind an answer that was cut off, so that it does not believe the rest was heard."""

PENDING = "[no result yet]"
"""Stands for what will come of a call that is made elsewhere."""

_UNTOLD = ("listing", "approval_request", "approval")
"""What a model learns of these lies in its tools, and in what came of its calls."""


def messages(
    conversation: Conversation, *, upto: str | None = None, without: str | None = None
) -> tuple[Message, ...]:
    """Everything heard so far that was not blocked, or what was before the entry `upto`; not the entry `without`."""
    outputs = {entry.call_id: entry.text for entry in conversation if entry.kind == "output"}
    told: list[Message] = []
    answer: list[Entry] = []  # what the agent said and called at a stretch
    for entry in conversation:
        if entry.id == upto:
            break
        if entry.guard == "blocked" or entry.id == without or entry.kind in _UNTOLD:
            continue
        if entry.kind != "call":
            told += _answer(answer, outputs)
            answer.clear()
        if entry.role == "assistant":
            answer.append(entry)
        elif entry.kind == "message" and entry.text:
            told.append(Message(role=entry.role, content=entry.text))
    return (*told, *_answer(answer, outputs))


def _answer(entries: Sequence[Entry], outputs: Mapping[str, str]) -> Iterator[Message]:
    """One message, or none before the first word, and a result for each of its calls."""
    said = "".join(_said(entry) for entry in entries if entry.kind == "message")
    calls: list[tuple[ToolCall, str]] = []
    for entry in entries:
        if entry.kind == "call":
            calls += [(use.call, use.result.text) for use in entry.uses]
            is_hosted = isinstance(entry.detail, HostedCall)
            result = (
                entry.detail.result if isinstance(entry.detail, HostedCall) else outputs.get(entry.call_id)
            )
            name = model_name(entry.name) if is_hosted else entry.name
            calls.append((ToolCall(entry.call_id, name, entry.text), PENDING if result is None else result))
    if said or calls:
        yield Message(role="assistant", content=said, tool_calls=tuple(call for call, _ in calls))
    for call, result in calls:
        yield Message(role="tool", content=result, tool_call_id=call.id, name=call.name)


def _said(entry: Entry) -> str:
    mark = INTERRUPTED if entry.heard is not None else ""
    return entry.text + mark if entry.text else ""

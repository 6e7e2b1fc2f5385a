"""One answer of a chat model, put together from whatever chunks its server sends. Pure.

The interface is spoken by many servers, each a little differently, so everything in a chunk is taken to be
optional: no choices, null content, thoughts in the text or beside it, calls of tools in pieces or in one, without
index or id, in the old field, or as text.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from stageflow.tools import ToolCall
from stages.errors import ProviderError
from stages.ports import Finished, ModelEvent, TextDelta, Thought, Usage
from stages.text.answer_text import AnswerText, Channel, Piece
from stages.text.called_text import calls_in, several_objects

Reason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]

_REASONS: Mapping[str, Reason] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")


@dataclass(slots=True)
class _PartialCall:
    index: int | None
    id: str | None
    name: str
    arguments: str = ""


class Answer:
    """One answer, chunk by chunk."""

    def __init__(
        self, tools: Collection[str], new_id: Callable[[], str], *, thinks_first: bool = False
    ) -> None:
        """`tools` are the names that were offered; `new_id` gives calls without an id one."""
        self._text = AnswerText(tools, thinks_first=thinks_first)
        self._may_call = bool(tools)
        self._new_id = new_id
        self._calls: list[_PartialCall] = []
        self._has_said = False
        self._reason: str | None = None
        self._usage: Usage | None = None

    @property
    def left_tag_out(self) -> bool:
        """Whether the model closed a thought that it had not opened."""
        return self._text.left_tag_out

    @property
    def is_finished(self) -> bool:
        """Whether the server has said why the answer ends."""
        return self._reason is not None

    def push(self, chunk: object) -> Iterator[ModelEvent]:
        """What a chunk brings. Raises ProviderError where it says that the server failed."""
        if not isinstance(chunk, Mapping):
            return
        if isinstance(usage := chunk.get("usage"), Mapping):
            self._usage = Usage(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, Mapping) or choice.get("index") not in (0, None):
            return
        if choice.get("finish_reason") == "error":
            raise ProviderError("the answer broke off: the server finished it with an error")
        self._reason = choice.get("finish_reason") or self._reason
        delta = choice.get("delta") or choice.get("message")
        delta = delta if isinstance(delta, Mapping) else {}
        for key in _THOUGHTS:
            if thought := delta.get(key):
                yield Thought(thought if isinstance(thought, str) else "")
                break
        said = _text(delta.get("content")) or _text(delta.get("refusal")) or _text(choice.get("text"))
        yield from self._events(self._text.push(said))
        yield from self._push_calls(delta)

    def end(self, *, is_complete: bool) -> Iterator[ModelEvent]:
        """What is left once the server has sent everything. `is_complete` tells that its end was no accident.

        Raises ProviderError if the answer broke off.
        """
        yield from self._events(self._text.flush())
        # Some servers never give a reason. Of nothing at all it would have to be a good one.
        has_all = is_complete or self._usage is not None
        if self._reason is None and not (has_all and (self._has_said or self._calls)):
            raise ProviderError("the answer broke off: the server closed the stream without finishing it")
        calls = list(self._whole_calls())
        yield from calls
        # Some servers finish tool calls with "stop", and some "tool_calls" without a call.
        reason = "tool_calls" if calls else _REASONS.get(str(self._reason or "stop"), "stop")
        yield Finished("stop" if reason == "tool_calls" and not calls else reason, self._usage or Usage())

    def _events(self, pieces: list[Piece]) -> Iterator[ModelEvent]:
        for channel, text in pieces:
            match channel:
                case Channel.SAID if text:
                    self._has_said = True
                    yield TextDelta(text)
                case Channel.THOUGHT:
                    yield Thought(text)
                case Channel.CALL if self._may_call:
                    self._calls += [_PartialCall(None, None, *call) for call in calls_in(text)]
                case _:
                    pass

    def _push_calls(self, delta: Mapping[str, Any]) -> Iterator[ModelEvent]:
        pieces = delta.get("tool_calls")
        pieces = list(pieces) if isinstance(pieces, list) else []
        if isinstance(old := delta.get("function_call"), Mapping):
            pieces.append({"function": old})
        for piece in pieces:
            if isinstance(piece, Mapping):
                self._push_call(piece)
                yield Thought()  # what is being written is not for the person, but it is a sign of life

    def _push_call(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function")
        function = function if isinstance(function, Mapping) else {}
        index, call_id, name = (
            _index(piece.get("index")),
            _text(piece.get("id")) or None,
            _text(function.get("name")),
        )
        arguments = function.get("arguments")
        written = "" if arguments is None else _json(arguments)
        call = self._call_of(index, call_id, name, written)
        if call is None:
            call = _PartialCall(index, call_id, name)
            self._calls.append(call)
        call.id, call.name = call.id or call_id, call.name or name
        call.arguments += written

    def _call_of(
        self, index: int | None, call_id: str | None, name: str, written: str
    ) -> _PartialCall | None:
        """The call that a piece goes on with, if it begins none.

        It begins one with an index of its own, and, where calls share one, with a name: if it has another id or
        another name than the last call, or if that call is complete. Some servers repeat the name in every piece,
        and some give every piece a new id.
        """
        same = [call for call in self._calls if index is None or call.index == index]
        if not same:
            return None
        last = same[-1]
        if not name:
            return last
        has_other_id = call_id is not None and last.id is not None and call_id != last.id
        is_next = has_other_id or name != last.name or (bool(written) and _is_whole(last.arguments))
        return None if is_next and last.name else last

    def _whole_calls(self) -> Iterator[ToolCall]:
        used = set[str]()
        for call in self._calls:
            if not call.name:
                continue
            for arguments in several_objects(call.arguments or "{}"):
                call_id = call.id if call.id and call.id not in used else self._new_id()
                used.add(call_id)
                yield ToolCall(call_id, call.name, arguments)


def _is_whole(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except ValueError:
        return False
    return True


def _index(index: object) -> int | None:
    if isinstance(index, str) and index.isdigit():
        return int(index)
    return index if isinstance(index, int) else None


def _count(usage: Mapping[str, Any], key: str) -> int:
    count = usage.get(key)
    return count if isinstance(count, int) else 0


def _json(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _text(content: object) -> str:
    """A delta's content, which some servers send as a list of parts."""
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, Mapping) else None for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""

"""The calls of tools in one answer of a chat model, from the pieces of them that its server sends. Pure.

A piece may have no index or id, another id each time, the name again or a part of it, the arguments as an object, as
JSON in JSON, or once more when they are complete; the same call may come as text too.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stageflow.tools import ToolCall
from stages.providers.openai.words import mended, text_of
from stages.text.called_text import Call, several_objects

_NO_ARGUMENTS = ("", "null", "None")


@dataclass(slots=True)
class _PartialCall:
    index: int | None
    id: str | None
    name: str
    arguments: str = ""


class Calls:
    """The calls of one answer, put together piece by piece."""

    def __init__(self, tools: Collection[str], new_id: Callable[[], str]) -> None:
        """`tools` are the names that were offered; `new_id` gives calls without an id one."""
        self._tools = tools
        self._new_id = new_id
        self._calls: list[_PartialCall] = []
        self._written: list[Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls or self._written)

    def push(self, delta: Mapping[str, Any]) -> int:
        """Take the pieces in a delta. Tells how many there were."""
        found = delta.get("tool_calls")
        some = [*found] if isinstance(found, list) else [found]
        if old := delta.get("function_call"):
            some.append({"function": old})
        pieces = [piece for piece in some if isinstance(piece, dict)]
        for piece in pieces:
            self._push(piece)
        return len(pieces)

    def write(self, calls: Collection[Call]) -> None:
        """Take calls that stood in the text."""
        self._written += calls

    def whole(self) -> Iterator[ToolCall]:
        """All of them, each once, with ids of their own."""
        used = set[str]()
        told = list[tuple[str, object]]()
        for call in self._calls:
            for arguments in several_objects(_unwrapped(call.arguments)) if call.name else ():
                call_id = self._unused(call.id, used)
                told.append((call.name, _value(arguments)))
                yield ToolCall(call_id, call.name, arguments)
        for written, arguments in self._written:
            if ((name := self._offered(written)), _value(arguments)) not in told:
                yield ToolCall(self._unused(None, used), name, mended(arguments))

    def _unused(self, wanted: str | None, used: set[str]) -> str:
        """An id that no other call of the answer has: the wanted one, if that is possible."""
        call_id = wanted or self._new_id()
        while call_id in used:
            call_id = self._new_id()
        used.add(call_id)
        return call_id

    def _push(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function")
        function = function if isinstance(function, dict) else piece
        index, call_id = _index(piece.get("index")), text_of(piece.get("id")) or None
        name = self._offered(text_of(function.get("name")))
        arguments = function.get("arguments")
        written = "" if arguments is None else _json(arguments)
        call = self._call_of(index, call_id, name, written)
        if call is None:
            call = _PartialCall(index, call_id, name)
            self._calls.append(call)
        elif not name and written == call.arguments and _is_whole(written):
            return  # told once more, now that it is complete
        elif name and (joined := self._joined(call, name)):
            name = call.name = joined
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
        is_other = name != last.name and self._joined(last, name) is None
        is_next = has_other_id or is_other or (bool(written) and _is_whole(last.arguments))
        return None if is_next and last.name else last

    def _joined(self, call: _PartialCall, name: str) -> str | None:
        """The name of which a call has had a part, with the next part; None if it is no part.

        Some servers send a name by the token, and some all of it so far each time.
        """
        if not call.name or call.arguments:
            return None
        if name not in self._tools and any(tool.startswith(call.name + name) for tool in self._tools):
            return call.name + name
        is_longer = call.name not in self._tools and name != call.name and name.startswith(call.name)
        return name if is_longer and any(tool.startswith(name) for tool in self._tools) else None

    def _offered(self, name: str) -> str:
        """The name that was offered, of one that its template has put something around: a namespace, a channel."""
        name = name.partition("<")[0].strip()
        short = name.removeprefix("functions.")
        return short if short in self._tools else name


def _unwrapped(arguments: str) -> str:
    """Arguments as an object, where they are an object as text, or none at all."""
    arguments = mended(arguments)
    if arguments.strip() in _NO_ARGUMENTS:
        return "{}"
    inner = _value(arguments)
    return inner if isinstance(inner, str) and isinstance(_value(inner), dict) else arguments


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


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


def _json(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)

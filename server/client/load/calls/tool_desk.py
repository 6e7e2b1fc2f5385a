"""The tools of a caller: which were called, and when their results are to be sent. Pure."""

from collections import deque
from collections.abc import Sequence
from math import inf

from server.client.load.script import Tool
from server.client.load.wire import Target, ToolCall, Wire

_MOST_WAITING = 64


class ToolDesk:
    """The tools of one call. `called` are the names of all that were, in order."""

    def __init__(self, target: Target, tools: Sequence[Tool]) -> None:
        self._target = target
        self._tools = {tool.name: tool for tool in tools}
        self._waiting: deque[tuple[float, str, str]] = deque(maxlen=_MOST_WAITING)
        self.called: list[str] = []

    def take(self, call: ToolCall, now_s: float) -> str | None:
        """The server calls one. Tells what is wrong with that, if anything is."""
        self.called.append(call.name)
        tool = self._tools.get(call.name)
        if tool is None:
            return f"a call of {call.name!r}, a tool that was not declared"
        self._waiting.append((now_s + tool.after_ms / 1000, call.call_id, tool.result))
        return None

    @property
    def next_s(self) -> float:
        """When the next result is to be sent."""
        return min((due_s for due_s, _, _ in self._waiting), default=inf)

    def due(self, now_s: float) -> list[Wire]:
        """The results that are to be sent now."""
        if not self._waiting:
            return []
        ready = [one for one in self._waiting if one[0] <= now_s]
        for one in ready:
            self._waiting.remove(one)
        return [wire for _, call_id, result in ready for wire in self._target.tool_result(call_id, result)]

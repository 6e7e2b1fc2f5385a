"""Calls of MCP tools that one answer makes, some of them begun while the words before them are still being spoken."""

from collections.abc import Sequence

from server.domain.mcp_tools import Offer
from server.response.events import Calling, arguments_json
from server.tools.mcp_calls import McpCalls, PlacedCall, RunningCall
from stageflow.tools import ToolCall


class EarlyCalls:
    """The calls of MCP tools that one response has begun. What was begun, and has not become part of the conversation,
    ends with `drop`."""

    def __init__(self, mcp: McpCalls) -> None:
        self._mcp = mcp
        self.offered: Offer = {}
        """The MCP tools that there are."""
        self._early: dict[int, RunningCall] = {}

    def start(self, calls: Sequence[ToolCall]) -> None:
        """Run what only looks while the words before it are still being spoken."""
        for number, call in enumerate(calls):
            mcp = self.offered.get(call.name)
            if mcp is not None and mcp.may_start_early:
                self._early[number] = self._mcp.start(mcp, arguments_json(call))

    def calling(self, calls: Sequence[ToolCall]) -> tuple[Calling, ...]:
        """The calls that end an answer, and those of them that run already."""
        return tuple(
            Calling(call, self.offered.get(call.name), self._early.get(number))
            for number, call in enumerate(calls)
        )

    def place(self, placed: PlacedCall) -> None:
        """The conversation has it now."""
        self._early = {n: call for n, call in self._early.items() if call is not placed.running}
        self._mcp.made(placed)

    def drop(self) -> None:
        """What is not part of the conversation is not wanted."""
        for call in self._early.values():
            call.scope.cancel()
        self._early.clear()

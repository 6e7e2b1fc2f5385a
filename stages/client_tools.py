"""Tools that are run elsewhere, as the client's are, beside those that run here: whose a call is, what is offered.

A turn that calls one of the client's tools ends with the call: what came of it arrives later, and with it another
turn begins. Nobody here knows what such a tool does, so it counts as irreversible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stageflow.tools import Tool, ToolCall, ToolRegistry, ToolResult
from stages.ports import OneTool, ToolChoice


def client_tool(name: str, description: str, parameters: Mapping[str, object]) -> Tool:
    """A tool of the client's, for a model to read; `parameters` is a JSON schema."""
    return Tool(name, description, parameters, _elsewhere)


async def _elsewhere(**arguments: object) -> object:
    raise AssertionError("a tool of the client's is never run here")


@dataclass(slots=True)
class ToolTurn:
    """A registry as one turn sees it: after `max_calls_per_turn` calls every further one is refused."""

    registry: ToolRegistry
    calls: int = 0

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools to offer to the model; none once the limit is reached, so that it has to answer."""
        return self.registry.tools if self.calls < self.registry.max_calls_per_turn else ()

    async def execute(self, call: ToolCall) -> ToolResult:
        """Run one call, or refuse it when the turn has had its share. Cancel-safe as the registry's."""
        limit = self.registry.max_calls_per_turn
        if self.calls >= limit:
            text = f"No more tool calls in this turn: all {limit} are used. Answer with what you have."
            return ToolResult.failed(call, "limit", text)
        self.calls += 1
        return await self.registry.execute(call)


class Toolbox:
    """The tools of one turn. `choice` is about the client's tools: those that run here are the server's business."""

    def __init__(self, ours: ToolRegistry, theirs: Sequence[Tool], choice: ToolChoice) -> None:
        """A tool of the client's takes the place of one of ours by the same name."""
        self._theirs = {} if choice == "none" else {tool.name: tool for tool in theirs}
        left = tuple(tool for tool in ours.tools if tool.name not in self._theirs)
        self.ours = ToolTurn(ToolRegistry(left, ours.max_calls_per_turn))
        is_possible = choice.name in self._theirs if isinstance(choice, OneTool) else bool(self._theirs)
        self.choice: ToolChoice = choice if is_possible else "auto"

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What to offer to the model now."""
        return (*self.ours.tools, *self._theirs.values())

    def split(self, calls: Sequence[ToolCall]) -> tuple[tuple[ToolCall, ...], tuple[ToolCall, ...]]:
        """The calls that are run here, among them those of tools that nobody has, and those for the client."""
        ours = tuple(call for call in calls if call.name not in self._theirs)
        return ours, tuple(call for call in calls if call.name in self._theirs)

    def is_harmless(self, call: ToolCall) -> bool:
        """Whether running it here changes nothing in the world."""
        tool = self.ours.registry.get(call.name)
        return tool is None or tool.effect == "none"

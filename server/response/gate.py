"""What an answer watches its run for: when the commit gate may open, what waits for it, the route, and the calls."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from server.output.outbound import Lane, LaneState
from stageflow.core import StageEvent, StageKind
from stageflow.pipeline import PipelineGraph
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.agent import CALLED
from stages.router import ROUTED

_PASSED = ("stage.completed", "stage.skipped")


class RunWatch:
    """Event sink of a run: opens the gate when every GUARD stage of the graph has let the words pass.

    One that skips has nothing against them; one that cancels or fails ends the run, and the gate stays closed.
    """

    def __init__(
        self,
        graph: PipelineGraph,
        commit: Callable[[], None],
        on_route: Callable[[str], None],
        on_calls: Callable[[Sequence[ToolCall]], None],
    ) -> None:
        """`on_calls` is told of calls of tools that are run elsewhere, while their words are still being spoken."""
        self._commit = commit
        self._on_route = on_route
        self._on_calls = on_calls
        self._waiting = {stage.name for stage in graph.stages if stage.kind is StageKind.GUARD}
        if not self._waiting:
            commit()

    def emit(self, event: StageEvent) -> None:
        """Take one of the run's events."""
        if event.type in _PASSED and self._waiting:
            self._waiting.discard(str(event.data["stage"]))
            if not self._waiting:
                self._commit()
        elif event.type == ROUTED:
            self._on_route(event.data["route"])
        elif event.type == CALLED:
            self._on_calls(event.data["calls"])


def gated(registry: ToolRegistry | None, lane: Lane) -> ToolRegistry | None:
    """The same tools, but those that change the world wait until the lane is open."""
    if registry is None:
        return None
    tools = tuple(tool if tool.effect == "none" else _waiting(tool, lane) for tool in registry.tools)
    return ToolRegistry(tools, registry.max_calls_per_turn)


def _waiting(tool: Tool, lane: Lane) -> Tool:
    run: Callable[..., Awaitable[object]] = tool.function

    async def run_when_open(**arguments: object) -> object:
        await lane.opened.wait()
        if lane.state is not LaneState.OPEN:
            raise RuntimeError("the turn was dropped before this tool could run")
        return await run(**arguments)

    return replace(tool, function=run_when_open)

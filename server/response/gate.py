"""What an answer watches its run for: when the commit gate may open, what waits for it, the route, and the calls."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from server.conversation.own_calls import OwnCalls, as_text
from server.output.outbound import OutputStream, StreamState
from server.response.run_limits import RunLimits
from stageflow.core import StageEvent, StageKind
from stageflow.pipeline import PipelineGraph
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.agent import CALLED
from stages.router import ROUTED

log = logging.getLogger(__name__)

_PASSED = ("stage.completed", "stage.skipped")
_ENDED = (*_PASSED, "stage.cancelled", "stage.failed")


_DECIDERS = (StageKind.GUARD, StageKind.ROUTE)


class RunWatch:
    """Event sink of a run: opens the gate when every GUARD stage of the graph has let the words pass.

    One that skips has nothing against them; one that cancels or fails ends the run, and the gate stays closed.
    """

    def __init__(
        self,
        graph: PipelineGraph,
        limits: RunLimits,
        *,
        commit: Callable[[], None],
        on_route: Callable[[str], None],
        on_calls: Callable[[Sequence[ToolCall]], None],
        on_alive: Callable[[], None],
    ) -> None:
        """`on_calls` is told of calls of tools that are run elsewhere, while their words are still being spoken."""
        self._limits = limits
        self._commit = commit
        self._on_route = on_route
        self._on_calls = on_calls
        self._on_alive = on_alive
        self._waiting = {stage.name for stage in graph.stages if stage.kind is StageKind.GUARD}
        if not self._waiting:
            commit()

    def emit(self, event: StageEvent) -> None:
        """Take one of the run's events."""
        self._on_alive()
        if event.type == ROUTED:
            self._on_route(event.data["route"])
        elif event.type == CALLED:
            self._on_calls(event.data["calls"])
        elif event.data.get("kind") in _DECIDERS:
            self._decider(event.type, str(event.data["stage"]))

    def _decider(self, event: str, stage: str) -> None:
        if event == "stage.started":
            self._limits.decides(stage)
        elif event in _ENDED:
            self._limits.decided(stage)
        if event in _PASSED and stage in self._waiting:
            self._waiting.discard(stage)
            if not self._waiting:
                self._commit()


def gated(registry: ToolRegistry | None, output: OutputStream, calls: OwnCalls) -> ToolRegistry | None:
    """The same tools for one answer: those that change the world wait until its output is open, and every call that
    begins enters the conversation at once, and so does its result."""
    if registry is None:
        return None
    tools = tuple(replace(tool, function=_kept(tool, output, calls)) for tool in registry.tools)
    return ToolRegistry(tools, registry.max_calls_per_turn)


def _kept(tool: Tool, output: OutputStream, calls: OwnCalls) -> Callable[..., Awaitable[object]]:
    # In the function, not in the registry: agents put tools together with others in registries of their own.
    run: Callable[..., Awaitable[object]] = tool.function

    async def run_when_allowed(**arguments: object) -> object:
        if tool.effect != "none":
            await output.opened.wait()
        if output.state is StreamState.SHUT:
            raise RuntimeError("the turn was dropped before this tool could run")
        own = calls.begin(tool.name, arguments)
        try:
            value = await run(**arguments)
        except Exception as error:
            log.warning("tool %s failed", tool.name, exc_info=error)
            own.result = f"{tool.name} failed: {type(error).__name__}: {error}"
            raise
        own.result = as_text(value)
        return value

    return run_when_allowed

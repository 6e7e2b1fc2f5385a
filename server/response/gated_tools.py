"""The server's own tools behind the commit gate: what changes the world waits until the answer has been let out."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from server.conversation.own_calls import OwnCalls, as_text
from server.output.stream import OutputStream, StreamState
from stageflow.tools import Tool, ToolRegistry

log = logging.getLogger(__name__)


def gated(registry: ToolRegistry | None, output: OutputStream, calls: OwnCalls) -> ToolRegistry | None:
    """The same tools for one answer: those that change the world wait until its output is open, which is not counted as
    their time; every call that begins enters the conversation at once, and so does its result."""
    if registry is None:
        return None
    tools = tuple(_gated(tool, output, calls) for tool in registry.tools)
    return ToolRegistry(tools, registry.max_calls_per_turn)


def _gated(tool: Tool, output: OutputStream, calls: OwnCalls) -> Tool:
    # In the tool, not in the registry: agents put tools together with others in registries of their own.
    before = tool.before if tool.effect == "none" else output.opened.wait
    return replace(tool, function=_kept(tool, output, calls), before=before)


def _kept(tool: Tool, output: OutputStream, calls: OwnCalls) -> Callable[..., Awaitable[object]]:
    run: Callable[..., Awaitable[object]] = tool.function

    async def run_when_allowed(**arguments: object) -> object:
        if tool.effect != "none":
            await output.opened.wait()  # for agents that call the function itself
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

"""The commit gate: what keeps an answer back until it is certain that it is wanted, and that it may be said.

Two locks are in front of an answer's output stream: the end of the turn, which the floor opens, and the guards of the
pipeline. Each guard's end is told by the run itself; should what follows from it fail, the run fails.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum

from server.conversation.own_calls import OwnCalls, as_text
from server.output.outbound import OutputStream, StreamState
from stageflow.core import StageOutput, StageStatus
from stageflow.tools import Tool, ToolRegistry

log = logging.getLogger(__name__)


class GateLock(StrEnum):
    """What keeps an answer from being let out."""

    END_OF_TURN = "end of turn"
    GUARD = "guard"


_BLOCKS = (StageStatus.CANCEL, StageStatus.FAIL)
"""Ends of a guard that leave the gate closed; they end the run."""


class CommitGate:
    """In front of one answer's output stream, which may be exchanged for another while the gate is closed."""

    def __init__(
        self, output: OutputStream, *, on_passed: Callable[[], None], on_open: Callable[[], None]
    ) -> None:
        """`on_passed` is called when the last guard has let the words pass, `on_open` when the stream was let out."""
        self.output = output
        self._on_passed = on_passed
        self._on_open = on_open
        self._locks = set(GateLock)
        self._guards: set[str] = set()

    def holds(self, lock: GateLock) -> bool:
        """Whether this keeps the answer back."""
        return lock in self._locks

    def expect(self, guards: frozenset[str]) -> None:
        """A run begins, in which these stages must end before the guard's lock opens."""
        self._guards = set(guards)
        if not guards:
            self._on_passed()
            self.unlock(GateLock.GUARD)

    def stage_ended(self, name: str, output: StageOutput) -> None:
        """A stage of the run has ended, or is skipped: whoever does not object lets the words pass."""
        if name not in self._guards or output.status in _BLOCKS:
            return
        self._guards.discard(name)
        if not self._guards:
            self._on_passed()
            self.unlock(GateLock.GUARD)

    def unlock(self, lock: GateLock) -> None:
        """Open a lock; behind the last one, let out what the stream holds and what comes from now on."""
        self._locks.discard(lock)
        if not self._locks:
            self.output.commit()
            self._on_open()


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

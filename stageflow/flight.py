"""One stage of a run, from its start to its end: its attempts, and how it is brought down if it does not end.

Cancellation asks a coroutine to end; code that catches it, or shields itself, need not obey. So a stage's
coroutine is driven by hand, step by step, as `await` would do it: between two steps, an exception that nobody
expects can be thrown into it, again and again until it has ended. Its `finally` blocks run, and nothing of it
is left. Only tasks that a stage has started beside itself, and that ignore cancellation in their turn, are
out of reach.
"""

import asyncio
import logging
import types
from collections.abc import Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import random
from types import MappingProxyType
from typing import Any, TypeVar

import anyio

from stageflow.context import ContextSnapshot
from stageflow.core import PipelineTimer, StageContext, StageEvent, StageOutput, StageStatus
from stageflow.errors import InvalidOutputError
from stageflow.events import EventSink
from stageflow.graph import Node, StageSpec
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import StagePorts
from stageflow.streams import Channel, StreamWriter

log = logging.getLogger(__name__)
T = TypeVar("T")

_THROWS = 100
"""Each `await` in a `finally`, and each handler that swallows everything, takes one; who has more is dropped."""

_TERMINAL = {
    StageStatus.OK: ("stage.completed", ""),
    StageStatus.SKIP: ("stage.skipped", "reason"),
    StageStatus.CANCEL: ("stage.cancelled", "reason"),
    StageStatus.FAIL: ("stage.failed", "error"),
}
"""Terminal event of each status, and what else it says."""


class BroughtDown(BaseException):
    """Thrown into a stage that does not end by itself; no `Exception` and no cancellation, so nobody expects it."""


class Pilot:
    """Drives one coroutine at a time, in the task that it is made in, and can bring it down from outside."""

    __slots__ = ("_is_bringing_down", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._is_bringing_down = False

    def bring_down(self) -> None:
        """End the coroutine whether it wants to or not; the task sees a cancellation."""
        self._is_bringing_down = True
        if self._task is not None:
            self._task.cancel()

    @types.coroutine
    def drive(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Await the coroutine, until it returns, raises, or is brought down."""
        advance, value = coroutine.send, None
        while True:
            try:
                awaited = advance(value)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                value = yield awaited
                advance = coroutine.send
            except BaseException as error:
                if self._is_bringing_down:
                    _take_down(coroutine)
                    raise
                advance, value = coroutine.throw, error


def _take_down(coroutine: Coroutine[Any, Any, Any]) -> None:
    for _ in range(_THROWS):
        try:
            coroutine.throw(BroughtDown())
        except BaseException:  # noqa: BLE001  # it has ended: this is thrown away as it is
            return


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for all stages of a run."""

    snapshot: ContextSnapshot
    ports: StagePorts
    config: Mapping[str, Any]
    timer: PipelineTimer
    sink: EventSink | None
    outputs: dict[str, StageOutput]
    incoming: Mapping[str, Mapping[str, Channel]]
    """By consumer and producer."""
    outgoing: Mapping[str, Sequence[Channel]]
    """By producer."""

    def tell(self, type: str, spec: StageSpec | None = None, /, **data: object) -> None:
        """Tell the sink, if there is one, of the run's life."""
        if self.sink is None:
            return
        told = {
            "run_id": str(self.snapshot.pipeline_run_id),
            "stage": spec and spec.name,
            "kind": spec and spec.kind,
            "duration_ms": self.timer.elapsed_ms(),
        }
        self.emit(StageEvent(type, told | data))

    def tell_end(self, spec: StageSpec, output: StageOutput) -> None:
        """Tell how a stage has ended."""
        if self.sink is not None:
            type_, why = _TERMINAL[output.status]
            told = {why: getattr(output, why)} if why else {}
            self.tell(type_, spec, duration_ms=output.duration_ms, **told)

    def emit(self, event: StageEvent) -> None:
        """Show the sink an event."""
        try:
            if self.sink is not None:
                self.sink.emit(event)
        except Exception:  # an observer must not change what it observes
            log.exception("event sink failed", extra={"event": event.type})


class Flight:
    """A stage on its way."""

    __slots__ = ("_around", "_context", "_started_ms", "node", "pilot", "timeout", "writer")

    def __init__(self, node: Node, around: Surroundings, pilot: Pilot) -> None:
        self.node = node
        self.pilot = pilot
        self.writer = StreamWriter(node.spec.name, around.outgoing.get(node.spec.name, ()), node.refusal)
        self.timeout: asyncio.TimerHandle | None = None
        self._around = around
        self._started_ms = around.timer.elapsed_ms()
        self._context: StageContext  # of the attempt that is under way

    @property
    def elapsed_ms(self) -> float:
        """How long it has been going on."""
        return self._around.timer.elapsed_ms() - self._started_ms

    def completed(self, output: StageOutput) -> StageOutput:
        """The output of a stage that gave none, with what it had recorded by then."""
        artifacts, events = tuple(self._context.artifacts), tuple(self._context.events)
        return replace(output, artifacts=artifacts, events=events, duration_ms=self.elapsed_ms)

    async def attempts(self) -> StageOutput:
        """Run the stage until it does not ask for another try, or does not get it."""
        node, attempt = self.node, 1
        output = await self._attempt()
        while output.status is StageStatus.RETRY:
            if (why := self._why_no_retry(attempt)) or node.spec.retry is None:
                error = f"{output.error or 'it asked for another try'} ({why})"
                output = replace(output, status=StageStatus.FAIL, error=error)
                break
            wait_s = node.spec.retry.delay_s(attempt, output.after_s, random())
            told = {"attempt": attempt, "wait_s": wait_s, "error": output.error}
            self._around.tell("stage.retried", node.spec, duration_ms=output.duration_ms, **told)
            await anyio.sleep(wait_s)
            attempt += 1
            output = await self._attempt()
        if node.awaiting_route and output.status is StageStatus.OK:
            self._check_route(output.data.get("route"))
        return output if attempt == 1 else replace(output, duration_ms=self.elapsed_ms)

    def _check_route(self, route: object) -> None:
        if not isinstance(route, str):
            name, waiting = self.node.spec.name, ", ".join(map(repr, self.node.awaiting_route))
            raise InvalidOutputError(
                f"stage {name!r} gave no route, which {waiting} wait for: "
                f"return StageOutput.ok(route=...) with a string"
            )

    def _why_no_retry(self, attempt: int) -> str:
        retry = self.node.spec.retry
        if retry is None:
            return (
                "it asks for another try, but has no retry policy: add retry=RetryPolicy() to its with_stage"
            )
        if attempt >= retry.max_attempts:
            return f"after {attempt} attempts, which is all that its retry policy allows"
        if self.writer.sent:
            return "another try is impossible, because its consumers have had items of its stream already"
        if any(channel.taken for channel in self._around.incoming.get(self.node.spec.name, {}).values()):
            return "another try is impossible, because it has had items of a stream already"
        return ""

    def _attempt(self) -> Coroutine[Any, Any, StageOutput]:
        around, spec = self._around, self.node.spec
        facts, upstream, streams = around.snapshot, self.node.upstream, around.incoming.get(spec.name, {})
        inputs = StageInputs(facts, around.outputs, around.ports, upstream, streams, spec.name)
        config = MappingProxyType({**around.config, **spec.config, "inputs": inputs})
        emit = None if around.sink is None else around.emit
        self._context = StageContext(facts, inputs, spec.name, around.timer, config, self.writer, emit)
        return self.pilot.drive(self.node.call(self._context))

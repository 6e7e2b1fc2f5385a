"""One stage of a run, from its start to its end: its attempts, and how it is brought down if it does not end.

Cancellation asks a coroutine to end; code that catches it, or shields itself, need not obey. So a stage's
coroutine is driven by hand, step by step, as `await` would do it: between two steps, an exception that nobody
expects can be thrown into it, again and again until it has ended. Its `finally` blocks run, and nothing of it
is left. Only tasks that a stage has started beside itself, and that ignore cancellation in their turn, are
out of reach.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator, Mapping
from dataclasses import dataclass, replace
from random import random
from typing import Any, TypeVar

import anyio

from stageflow.context import ContextSnapshot
from stageflow.core import PipelineTimer, StageContext, StageOutput, StageStatus
from stageflow.errors import InvalidOutputError
from stageflow.events import EventSink, NoOpEventSink, StageEvent, show
from stageflow.graph import Node, StageSpec
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import StagePorts
from stageflow.streams import Channel, StreamWriter

T = TypeVar("T")

_THROWS = 100
"""Each `await` in a `finally`, and each handler that swallows everything, takes one; who has more is dropped."""


_ENDS = {
    StageStatus.OK: "stage.completed",
    StageStatus.SKIP: "stage.skipped",
    StageStatus.CANCEL: "stage.cancelled",
    StageStatus.FAIL: "stage.failed",
}
"""The event that tells of each status."""


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
    streams: Mapping[str, Mapping[str, Channel]]
    """What a stage reads, by consumer and producer."""

    def outgoing(self, node: Node) -> list[Channel]:
        """The stage's own stream, to each of its consumers."""
        return [self.streams[consumer.name][node.name] for consumer in node.consumers]

    def tell(self, type: str, spec: StageSpec | None = None, /, **data: object) -> None:
        """Tell the sink, if there is one that listens, of the run's life."""
        if self.sink is None or isinstance(self.sink, NoOpEventSink):
            return
        told = {
            "run_id": str(self.snapshot.pipeline_run_id),
            "stage": spec and spec.name,
            "kind": spec and spec.kind,
            "duration_ms": self.timer.elapsed_ms(),
        }
        show(self.sink, StageEvent(type, told | data))

    def tell_end(self, spec: StageSpec, output: StageOutput) -> None:
        """Tell how a stage has ended, and why."""
        why = {key: text for key in ("error", "reason") if (text := getattr(output, key)) is not None}
        self.tell(_ENDS[output.status], spec, duration_ms=output.duration_ms, **why)


class Flight:
    """A stage on its way."""

    __slots__ = ("_around", "_context", "_incoming", "began_ms", "node", "pilot", "timeout", "writer")

    def __init__(self, node: Node, around: Surroundings, pilot: Pilot) -> None:
        self.node = node
        self.pilot = pilot
        self.writer = StreamWriter(node.name, around.outgoing(node) if node.consumers else (), node.refusal)
        self.timeout: asyncio.TimerHandle | None = None
        self.began_ms = around.timer.elapsed_ms()
        self._around = around
        self._incoming = around.streams.get(node.name, {})
        self._context: StageContext  # of the attempt that is under way

    def completed(self, output: StageOutput) -> StageOutput:
        """The output of a stage that gave none, with what it had recorded by then."""
        return self._context.completed(output)

    async def attempts(self) -> StageOutput:
        """Run the stage until it does not ask for another try, or does not get it."""
        spec, attempt = self.node.spec, 1
        output = await self._attempt()
        while output.status is StageStatus.RETRY:
            if (why := self._why_no_retry(attempt)) or spec.retry is None:
                error = f"{output.error or 'it asked for another try'} ({why})"
                return replace(output, status=StageStatus.FAIL, error=error)
            wait_s = spec.retry.delay_s(attempt, output.after_s, random())
            told = {"attempt": attempt, "wait_s": wait_s, "error": output.error}
            self._around.tell("stage.retried", spec, duration_ms=output.duration_ms, **told)
            await anyio.sleep(wait_s)
            attempt += 1
            output = await self._attempt()
        if self.node.awaiting_route and output.status is StageStatus.OK:
            self._check_route(output.data.get("route"))
        return output

    def _check_route(self, route: object) -> None:
        if not isinstance(route, str):
            lack = f"gave no route, which {', '.join(map(repr, self.node.awaiting_route))} wait for"
            remedy = "return StageOutput.ok(route=...) with a string"
            raise InvalidOutputError(f"stage {self.node.name!r} {lack}: {remedy}")

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
        if any(channel.taken for channel in self._incoming.values()):
            return "another try is impossible, because it has had items of a stream already"
        return ""

    def _attempt(self) -> Coroutine[Any, Any, StageOutput]:
        node, facts, around = self.node, self._around.snapshot, self._around
        inputs = StageInputs(facts, around.outputs, around.ports, node.upstream, self._incoming, node.name)
        config = {**around.config, **node.spec.config}
        self._context = StageContext(facts, inputs, node.name, config, self.writer, self.began_ms)
        return self.pilot.drive(node.call(self._context))

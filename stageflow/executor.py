"""Runs one graph and returns when nothing of it is left.

Theory of operation
-------------------
The caller's task is the host: it opens one task group, starts the first stages in it and waits. A stage that
ends frees those that waited for it: the first goes on in the same task, each further one gets a task of its
own; so a chain of stages costs one task. A stage that starts frees those that read its stream.

- *Counting*: each stage has a number of edges that must be satisfied before it starts. At zero it starts, or,
  if routing leads elsewhere, is skipped, which satisfies the edges that go out of it in the same way.
- *Verdict*: the first stage that cancels, fails or exceeds its time, or the run's deadline, decides how the run
  ends; what happens later changes nothing. The verdict cancels the task group. So does the caller's
  cancellation, which is no verdict: it goes on to the caller.
- *Grace*: who is cancelled has `GRACE_S` to end. Then it is named, and brought down (`stageflow.flight`).
- *Streams*: one channel for each stream edge and run. A producer's end closes its channels, a consumer's end
  leaves them, in any outcome: neither can wait for one who is gone.

All state of a run is in its `Run`; the graph has none. Nothing here awaits between reading state and acting on
it, so there are no locks.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from random import random
from types import MappingProxyType
from typing import Any

import anyio
from anyio.abc import TaskGroup

from stageflow.context import ContextSnapshot
from stageflow.core import PipelineTimer, Recording, StageContext, StageEvent, StageOutput, StageStatus
from stageflow.errors import (
    DeadlineExceeded,
    InvalidOutputError,
    PipelineCancelled,
    RunEnded,
    StageFailed,
    StageTimeout,
)
from stageflow.events import EventSink, NoOpEventSink
from stageflow.flight import Flight
from stageflow.graph import Node, PipelineResults, StageSpec
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import StagePorts
from stageflow.streams import Channel, StreamWriter

log = logging.getLogger(__name__)

GRACE_S = 1.0
"""How long a cancelled stage may take to end; twenty times what is asked of it."""

_BY_CALLER = "the caller cancelled the run"
_NO_STREAMS: Mapping[str, Channel] = MappingProxyType({})
_TERMINAL = {
    StageStatus.OK: ("stage.completed", None),
    StageStatus.SKIP: ("stage.skipped", "reason"),
    StageStatus.CANCEL: ("stage.cancelled", "reason"),
    StageStatus.FAIL: ("stage.failed", "error"),
}
"""Terminal event of each status, and what else it says."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How a run ends if not well; `text` is the reason or the error."""

    kind: type[PipelineCancelled] | type[StageFailed]
    stage: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    cause: BaseException | None = None

    def error(self, results: PipelineResults) -> RunEnded:
        error = self.kind(self.stage, self.text, self.data, results)
        error.__cause__ = self.cause
        return error


class Run:
    """One run of one graph: `await Run(...).complete()`."""

    def __init__(
        self,
        nodes: Sequence[Node],
        snapshot: ContextSnapshot,
        ports: StagePorts,
        config: Mapping[str, Any],
        event_sink: EventSink | None,
    ) -> None:
        """`nodes` are in topological order."""
        self._nodes = nodes
        self._snapshot = snapshot
        self._ports = ports
        self._sink = None if isinstance(event_sink, NoOpEventSink) else event_sink
        self._loop = asyncio.get_running_loop()
        self._timer = PipelineTimer(self._loop.time)
        self._config = {**config, "timer": self._timer, "event_sink": event_sink}
        self._outputs: dict[str, StageOutput] = {}
        self._missing = [len(node.needs) for node in nodes]
        self._unsettled = len(nodes)
        self._passed_by: set[str] = set()  # stages that routing led past
        self._flights: dict[str, Flight] = {}
        self._channels = {
            (node.spec.name, consumer.spec.name): Channel(node.spec.name)
            for node in nodes
            for consumer in node.consumers
        }
        self._verdict: _Verdict | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._tasks: TaskGroup
        self._all_settled: asyncio.Future[None] = self._loop.create_future()

    # --- the host ------------------------------------------------------------------------------------------

    async def complete(self, deadline_s: float | None) -> PipelineResults:
        """Run to the end and return the results, or raise how else the run ended."""
        self._tell("pipeline.started")
        try:
            await self._host(deadline_s)
        except BaseException:
            self._tell("pipeline.cancelled", reason=_BY_CALLER)
            raise
        finally:
            if self._grace is not None:
                self._grace.cancel()
        results = self._results()
        if self._verdict is None:
            self._tell("pipeline.completed")
            return results
        verdict = self._verdict
        node = next((node for node in self._nodes if node.spec.name == verdict.stage), None)
        if verdict.kind is PipelineCancelled:
            self._tell("pipeline.cancelled", node, reason=verdict.text)
        else:
            self._tell("pipeline.failed", node, error=verdict.text)
        raise verdict.error(results)

    async def _host(self, deadline_s: float | None) -> None:
        deadline: asyncio.TimerHandle | None = None
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            if deadline_s is not None:
                deadline = self._loop.call_later(deadline_s, self._miss_deadline, deadline_s)
            for node in self._nodes:
                if not node.needs:
                    tasks.start_soon(self._work, node)
            try:
                await self._all_settled
            finally:
                if deadline is not None:
                    deadline.cancel()
                if self._unsettled:
                    self._cancel_all()

    def _results(self) -> PipelineResults:
        order = [node.spec.name for node in self._nodes]
        run_id = str(self._snapshot.pipeline_run_id)
        return PipelineResults(order, self._outputs, run_id, self._timer.elapsed_ms())

    def _decide(self, verdict: _Verdict) -> None:
        if self._verdict is None:
            self._verdict = verdict
            self._cancel_all()

    def _cancel_all(self) -> None:
        self._tasks.cancel_scope.cancel()
        if self._grace is None:
            self._grace = self._loop.call_later(GRACE_S, self._bring_down_all)

    def _bring_down_all(self) -> None:
        for flight in self._flights.values():
            name = flight.node.spec.name
            log.warning("stage overstays its cancellation", extra={"stage": name, "grace_s": GRACE_S})
            self._tell("stage.overstayed", flight.node, self._elapsed_ms(flight), grace_s=GRACE_S)
            flight.bring_down()

    def _miss_deadline(self, deadline_s: float) -> None:
        flying = [node.spec.name for node in self._nodes if node.spec.name in self._flights]
        text = f"the run took longer than {deadline_s:g} s; still running: {', '.join(flying) or 'nothing'}"
        self._decide(_Verdict(DeadlineExceeded, next(iter(flying), ""), text))

    def _exceed(self, node: Node) -> None:
        self._decide(_Verdict(StageTimeout, node.spec.name, f"it took longer than {node.timeout_s:g} s"))

    def _is_ending(self) -> bool:
        return self._verdict is not None or anyio.current_effective_deadline() == -inf

    # --- a task: one stage, and then one of those that it freed -----------------------------------------------

    async def _work(self, first: Node) -> None:
        task = asyncio.current_task()
        assert task is not None
        freed = [] if self._is_ending() else [first]
        while freed:
            for other in freed[1:]:
                self._tasks.start_soon(self._work, other)
            freed = await self._fly(freed[0], task)

    async def _fly(self, node: Node, task: "asyncio.Task[Any]") -> list[Node]:
        """Run a stage to its end, whatever that is; returns the stages that it has freed."""
        flight = self._depart(node, task)
        cause: BaseException | None = None
        try:
            output = await self._attempts(flight)
        except Exception as error:  # noqa: BLE001  # whatever a stage raises ends the run, as its cause
            cause, output = error, StageOutput.fail(f"{type(error).__name__}: {error}")
        except asyncio.CancelledError as error:
            if self._is_ending():
                self._land(flight, self._cut_short(node))
                raise
            cause, output = error, StageOutput.fail("CancelledError: raised, though nobody had cancelled it")
        if self._has_timed_out(node):
            output = self._cut_short(node)  # whatever it has returned since
        self._land(flight, output, cause)
        if self._verdict is None:
            self._judge(node, output, cause)
        return [] if self._verdict or self._is_over(flight) else self._free(node.followers)

    def _depart(self, node: Node, task: "asyncio.Task[Any]") -> Flight:
        name = node.spec.name
        writer = StreamWriter(name, self._outgoing(node) if node.consumers else (), node.refusal)
        flight = Flight(node, task, self._loop.time(), writer)
        if node.timeout_s is not None:
            flight.timeout = self._loop.call_later(node.timeout_s, self._exceed, node)
        self._flights[name] = flight
        self._tell("stage.started", node, 0.0)
        if node.consumers:
            for consumer in self._free(node.consumers):
                self._tasks.start_soon(self._work, consumer)
        return flight

    async def _attempts(self, flight: Flight) -> StageOutput:
        """Run the stage until it does not ask for another try, or does not get it."""
        node, attempt = flight.node, 1
        while True:
            context = self._context(flight)
            output = await flight.drive(node.call(context))
            if output.status is not StageStatus.RETRY:
                break
            if (why := self._why_no_retry(flight, attempt)) or node.retry is None:
                text = f"{output.error or 'it asked for another try'} ({why})"
                output = replace(output, status=StageStatus.FAIL, error=text)
                break
            wait_s = node.retry.delay_s(attempt, output.after_s, random())
            self._tell(
                "stage.retried", node, output.duration_ms, attempt=attempt, wait_s=wait_s, error=output.error
            )
            await anyio.sleep(wait_s)
            attempt += 1
        if node.awaiting_route and output.status is StageStatus.OK:
            _check_route(node, output)
        return output if attempt == 1 else replace(output, duration_ms=self._elapsed_ms(flight))

    def _why_no_retry(self, flight: Flight, attempt: int) -> str:
        retry = flight.node.retry
        if retry is None:
            return (
                "it asks for another try, but has no retry policy: add retry=RetryPolicy() to its with_stage"
            )
        if attempt >= retry.max_attempts:
            return f"after {attempt} attempts, which is all that its retry policy allows"
        if flight.writer.sent:
            return "another try is impossible, because its consumers have had items of its stream already"
        if any(channel.taken for channel in self._incoming(flight.node.spec).values()):
            return "another try is impossible, because it has had items of a stream already"
        return ""

    def _context(self, flight: Flight) -> StageContext:
        spec = flight.node.spec
        inputs = StageInputs(
            self._snapshot,
            self._outputs,
            self._ports,
            upstream=flight.node.upstream,
            streams=self._incoming(spec) if spec.streams else _NO_STREAMS,
            stage_name=spec.name,
        )
        flight.recording = Recording(None if self._sink is None else self._emit)
        config = {**self._config, **spec.config, "inputs": inputs}
        return StageContext(
            self._snapshot,
            inputs,
            spec.name,
            self._timer,
            MappingProxyType(config),
            flight.writer,
            flight.recording,
        )

    # --- the end of a stage ------------------------------------------------------------------------------------

    def _land(self, flight: Flight, output: StageOutput, cause: BaseException | None = None) -> None:
        """Book the end of a stage, and let go of everybody who may wait for it at the other end of a stream."""
        node, name = flight.node, flight.node.spec.name
        del self._flights[name]
        if flight.timeout is not None:
            flight.timeout.cancel()
        self._settle(node, output)
        failure: StageFailed | None = None
        if output.status is StageStatus.FAIL:
            failure = StageFailed(name, output.error or "", output.data, self._results())
            failure.__cause__ = cause
        flight.writer.close(failure)

    def _settle(self, node: Node, output: StageOutput) -> None:
        self._outputs[node.spec.name] = output
        if node.spec.streams:
            for channel in self._incoming(node.spec).values():
                channel.leave()
        if self._sink is not None:
            type_, why = _TERMINAL[output.status]
            told = {"reason": output.reason} if why == "reason" else {"error": output.error}
            self._tell(type_, node, output.duration_ms, **(told if why else {}))
        self._unsettled -= 1
        if not self._unsettled and not self._all_settled.done():
            self._all_settled.set_result(None)

    def _judge(self, node: Node, output: StageOutput, cause: BaseException | None) -> None:
        name = node.spec.name
        if output.status is StageStatus.FAIL:
            self._decide(_Verdict(StageFailed, name, output.error or "", output.data, cause))
        elif output.status is StageStatus.CANCEL:
            self._decide(_Verdict(PipelineCancelled, name, output.reason or "", output.data))

    def _is_over(self, flight: Flight) -> bool:
        """Whether a stage that has just ended did so although the run is being cancelled."""
        return flight.was_told_to_end and self._is_ending()

    def _has_timed_out(self, node: Node) -> bool:
        verdict = self._verdict
        return verdict is not None and verdict.kind is StageTimeout and verdict.stage == node.spec.name

    def _cut_short(self, node: Node) -> StageOutput:
        if self._verdict is None:
            return StageOutput.cancel(_BY_CALLER)
        if self._has_timed_out(node):
            return StageOutput.fail(self._verdict.text)
        return StageOutput.cancel(f"the run ended with stage {self._verdict.stage!r}")

    def _outgoing(self, node: Node) -> list[Channel]:
        return [self._channels[node.spec.name, consumer.spec.name] for consumer in node.consumers]

    def _incoming(self, spec: StageSpec) -> dict[str, Channel]:
        return {producer: self._channels[producer, spec.name] for producer in spec.streams}

    # --- edges -------------------------------------------------------------------------------------------------

    def _free(self, waiting: Iterable[Node]) -> list[Node]:
        """Satisfy one edge of each; returns those that can start now. Who is passed by frees others in turn."""
        free: list[Node] = []
        pending = list(waiting)
        for node in pending:
            self._missing[node.index] -= 1
            if self._missing[node.index]:
                continue
            if reason := self._why_passed_by(node):
                self._pass_by(node, reason)
                pending += (*node.consumers, *node.followers)
            else:
                free.append(node)
        return free

    def _why_passed_by(self, node: Node) -> str:
        if node.spec.when is not None:
            router, wanted = node.spec.when
            route = self._outputs[router].data.get("route")
            if route != wanted:
                return f"{router!r} said {route!r}, not {wanted!r}"
        if self._passed_by and self._passed_by.issuperset(node.needs):
            return f"depends only on what was passed by: {', '.join(node.needs)}"
        return ""

    def _pass_by(self, node: Node, reason: str) -> None:
        name = node.spec.name
        self._passed_by.add(name)
        self._settle(node, StageOutput.skip(reason))
        for channel in self._outgoing(node):
            channel.close()

    # --- events ------------------------------------------------------------------------------------------------

    def _elapsed_ms(self, flight: Flight) -> float:
        return (self._loop.time() - flight.started_s) * 1000

    def _tell(
        self, type_: str, node: Node | None = None, duration_ms: float | None = None, **more: object
    ) -> None:
        if self._sink is None:
            return
        data = {
            "run_id": str(self._snapshot.pipeline_run_id),
            "stage": None if node is None else node.spec.name,
            "kind": None if node is None else node.spec.kind,
            "duration_ms": self._timer.elapsed_ms() if duration_ms is None else duration_ms,
            **more,
        }
        self._emit(StageEvent(type_, data))

    def _emit(self, event: StageEvent) -> None:
        assert self._sink is not None
        try:
            self._sink.emit(event)
        except Exception:  # an observer must not change what it observes
            log.exception("event sink failed", extra={"event": event.type})


def _check_route(node: Node, output: StageOutput) -> None:
    if not isinstance(output.data.get("route"), str):
        waiting = ", ".join(map(repr, node.awaiting_route))
        raise InvalidOutputError(
            f"stage {node.spec.name!r} gave no route, which {waiting} wait for: "
            f"return StageOutput.ok(route=...) with a string"
        )

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
from math import inf
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from stageflow.context import ContextSnapshot
from stageflow.core import PipelineTimer, StageOutput, StageStatus
from stageflow.errors import DeadlineExceeded, PipelineCancelled, RunEnded, StageFailed, StageTimeout
from stageflow.events import EventSink, NoOpEventSink
from stageflow.flight import Flight, Pilot, Surroundings
from stageflow.graph import Node, PipelineResults, StageSpec
from stageflow.stages.ports import StagePorts
from stageflow.streams import Channel

log = logging.getLogger(__name__)

GRACE_S = 1.0
"""How long a cancelled stage may take to end; twenty times what is asked of it."""

_BY_CALLER = "the caller cancelled the run"


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
        self._loop = asyncio.get_running_loop()
        timer = PipelineTimer(self._loop.time)
        names = [node.spec.name for node in nodes]
        self._outputs: dict[str, StageOutput] = {}
        self._results = PipelineResults(names, self._outputs, str(snapshot.pipeline_run_id))
        incoming = {
            node.spec.name: {producer: Channel(producer) for producer in node.spec.streams}
            for node in nodes
            if node.spec.streams
        }
        outgoing = {
            node.spec.name: [incoming[one.spec.name][node.spec.name] for one in node.consumers]
            for node in nodes
            if node.consumers
        }
        sink = None if isinstance(event_sink, NoOpEventSink) else event_sink
        config = {**config, "timer": timer, "event_sink": event_sink}
        self._around = Surroundings(snapshot, ports, config, timer, sink, self._outputs, incoming, outgoing)
        self._missing = {node.spec.name: len(node.needs) for node in nodes}
        self._passed_by: set[str] = set()  # stages that routing led past
        self._flights: dict[str, Flight] = {}
        self._verdict: RunEnded | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._tasks: TaskGroup
        self._all_settled: asyncio.Future[None] = self._loop.create_future()

    # --- the host ------------------------------------------------------------------------------------------

    async def complete(self, deadline_s: float | None) -> PipelineResults:
        """Run to the end and return the results, or raise how else the run ended."""
        tell, results = self._around.tell, self._results
        tell("pipeline.started")
        try:
            await self._host(deadline_s)
        except BaseException:
            tell("pipeline.cancelled", reason=_BY_CALLER)
            raise
        finally:
            results.duration_ms = self._around.timer.elapsed_ms()
            if self._grace is not None:
                self._grace.cancel()
        verdict = self._verdict
        if verdict is None:
            tell("pipeline.completed")
            return results
        spec = next((node.spec for node in self._nodes if node.spec.name == verdict.stage), None)
        if isinstance(verdict, PipelineCancelled):
            tell("pipeline.cancelled", spec, reason=verdict.reason)
        else:
            tell("pipeline.failed", spec, error=verdict.reason)
        raise verdict

    async def _host(self, deadline_s: float | None) -> None:
        deadline: asyncio.TimerHandle | None = None
        await anyio.lowlevel.checkpoint_if_cancelled()
        async with anyio.create_task_group() as self._tasks:
            if deadline_s is not None:
                deadline = self._loop.call_later(deadline_s, self._miss_deadline, deadline_s)
            self._start(node for node in self._nodes if not node.needs)
            try:
                await self._all_settled
            finally:
                if deadline is not None:
                    deadline.cancel()
                if len(self._outputs) < len(self._nodes):
                    self._cancel_all()

    def _decide(self, verdict: RunEnded) -> None:
        if self._verdict is None:
            self._verdict = verdict
            self._cancel_all()

    def _cancel_all(self) -> None:
        self._tasks.cancel_scope.cancel()
        if self._grace is None:
            self._grace = self._loop.call_later(GRACE_S, self._bring_down_all)

    def _bring_down_all(self) -> None:
        for name, flight in self._flights.items():
            log.warning("stage overstays its cancellation", extra={"stage": name, "grace_s": GRACE_S})
            spec, took_ms = flight.node.spec, flight.elapsed_ms
            self._around.tell("stage.overstayed", spec, duration_ms=took_ms, grace_s=GRACE_S)
            flight.pilot.bring_down()

    def _miss_deadline(self, deadline_s: float) -> None:
        flying = [node.spec.name for node in self._nodes if node.spec.name in self._flights]
        text = f"the run took longer than {deadline_s:g} s; still running: {', '.join(flying) or 'nothing'}"
        self._decide(DeadlineExceeded(next(iter(flying), ""), text, {}, self._results))

    def _exceed(self, spec: StageSpec) -> None:
        self._decide(StageTimeout(spec.name, f"it took longer than {spec.timeout_s:g} s", {}, self._results))

    def _is_ending(self) -> bool:
        return self._tasks.cancel_scope.cancel_called

    # --- a task: one stage, and then one of those that it freed --------------------------------------------

    def _start(self, free: Iterable[Node]) -> None:
        for node in free:
            self._tasks.start_soon(self._work, node)

    async def _work(self, node: Node) -> None:
        pilot, freed = Pilot(), [node]
        while freed and not self._is_ending():
            node, *others = freed
            if others:
                self._start(others)
            await self._fly(node, pilot)
            freed = [] if self._is_ending() or not node.followers else self._free(node.followers)

    async def _fly(self, node: Node, pilot: Pilot) -> None:
        """Run a stage to its end, whatever that is."""
        flight = self._depart(node, pilot)
        cause: BaseException | None = None
        try:
            output = await flight.attempts()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # whatever it is ends the run
            output, cause = flight.completed(self._outcome_of(error)), error
        verdict = self._verdict
        if isinstance(verdict, StageTimeout) and verdict.stage == node.spec.name:
            output = flight.completed(StageOutput.fail(verdict.reason))  # whatever it has returned since
        self._land(flight, output, cause)

    def _depart(self, node: Node, pilot: Pilot) -> Flight:
        flight = self._flights[node.spec.name] = Flight(node, self._around, pilot)
        if node.spec.timeout_s is not None:
            flight.timeout = self._loop.call_later(node.spec.timeout_s, self._exceed, node.spec)
        self._around.tell("stage.started", node.spec, duration_ms=0.0)
        if node.consumers:
            self._start(self._free(node.consumers))
        return flight

    def _outcome_of(self, error: BaseException) -> StageOutput:
        if not isinstance(error, asyncio.CancelledError):
            return StageOutput.fail(f"{type(error).__name__}: {error}")
        if anyio.current_effective_deadline() > -inf:
            return StageOutput.fail("CancelledError: raised, though nobody had cancelled it")
        verdict = self._verdict
        return StageOutput.cancel(f"the run ended with stage {verdict.stage!r}" if verdict else _BY_CALLER)

    def _land(self, flight: Flight, output: StageOutput, cause: BaseException | None) -> None:
        """Book the end of a stage, and let go of everybody who may wait for it at the other end of a stream."""
        name = flight.node.spec.name
        del self._flights[name]
        if flight.timeout is not None:
            flight.timeout.cancel()
        self._settle(flight.node, output)
        verdict: RunEnded | None = None
        if output.status is StageStatus.FAIL:
            verdict = StageFailed(name, output.error or "", output.data, self._results)
            verdict.__cause__ = cause
        elif (
            output.status is StageStatus.CANCEL and cause is None
        ):  # it says so, and was not itself cut short
            verdict = PipelineCancelled(name, output.reason or "", output.data, self._results)
        flight.writer.close(verdict if output.status is StageStatus.FAIL else None)
        if verdict is not None:  # after the close: consumers see the error before they are cancelled
            self._decide(verdict)

    def _settle(self, node: Node, output: StageOutput) -> None:
        self._outputs[node.spec.name] = output
        for channel in self._around.incoming.get(node.spec.name, {}).values():
            channel.leave()
        self._around.tell_end(node.spec, output)
        if len(self._outputs) == len(self._nodes) and not self._all_settled.done():
            self._all_settled.set_result(None)

    # --- edges -----------------------------------------------------------------------------------------------

    def _free(self, waiting: Iterable[Node]) -> list[Node]:
        """Satisfy one edge of each; returns those that can start now. Who is passed by frees others in turn."""
        free: list[Node] = []
        pending = list(waiting)
        for node in pending:
            self._missing[node.spec.name] -= 1
            if self._missing[node.spec.name]:
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
        self._passed_by.add(node.spec.name)
        self._settle(node, StageOutput.skip(reason))
        for channel in self._around.outgoing.get(node.spec.name, ()):
            channel.close()

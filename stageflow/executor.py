"""Runs one graph and returns when nothing of it is left.

Theory of operation
-------------------
The caller's task is the host: it opens one task group, starts the first stages in it and waits. A stage that
ends frees those that waited for it: the first goes on in the same task, each further one gets a task of its
own; so a chain of stages costs one task. A stage that starts frees those that read its stream.

- *Counting*: each stage has a number of edges that must be satisfied before it starts. At zero it starts, or,
  if routing leads elsewhere, is skipped, which satisfies the edges that go out of it in the same way.
- *Verdict*: the first stage that cancels, fails or exceeds its time, or the run's deadline, decides how the run
  ends; what happens later changes nothing. The verdict wakes the host, which cancels the task group. So does the
  caller's cancellation, which is no verdict: it goes on to the caller.
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
from stageflow.core import PipelineTimer, StageContext, StageOutput, StageStatus
from stageflow.errors import DeadlineExceeded, PipelineCancelled, RunEnded, StageFailed, StageTimeout
from stageflow.events import EventSink, NoOpEventSink, StageEvent, show
from stageflow.flight import Flight, Pilot
from stageflow.graph import Node, PipelineResults, StageSpec
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import StagePorts
from stageflow.streams import Channel, StreamWriter

log = logging.getLogger(__name__)

GRACE_S = 1.0
"""How long a cancelled stage may take to end; twenty times what is asked of it."""

_BY_CALLER = "the caller cancelled the run"

_EVENTS = {
    StageStatus.OK: "stage.completed",
    StageStatus.SKIP: "stage.skipped",
    StageStatus.CANCEL: "stage.cancelled",
    StageStatus.FAIL: "stage.failed",
}
"""What a run tells of a stage that ended with that status."""


class Run:
    """One run of one graph: `await Run(...).complete()`."""

    def __init__(
        self,
        nodes: Sequence[Node],
        snapshot: ContextSnapshot,
        ports: StagePorts,
        config: Mapping[str, Any],
        sink: EventSink | None,
    ) -> None:
        """`nodes` are in topological order."""
        self._nodes, self._snapshot, self._ports = nodes, snapshot, ports
        self._loop = asyncio.get_running_loop()
        self._timer = PipelineTimer(self._loop.time)
        self._config = {**config, "timer": self._timer, "event_sink": sink}
        self._sink = None if isinstance(sink, NoOpEventSink) else sink
        self._outputs: dict[str, StageOutput] = {}
        run_id = str(snapshot.pipeline_run_id)
        self._results = PipelineResults([node.name for node in nodes], self._outputs, run_id)
        self._streams = {  # by consumer and producer
            node.name: {producer: Channel() for producer in node.spec.streams}
            for node in nodes
            if node.spec.streams
        }
        self._missing = {node.name: len(node.spec.needs) for node in nodes}
        self._passed_by: set[str] = set()  # stages that routing led past
        self._flights: dict[str, Flight] = {}
        self._verdict: RunEnded | None = None
        self._tasks: TaskGroup
        self._over = asyncio.Event()  # there is a verdict, or all stages have ended

    # --- the host ------------------------------------------------------------------------------------------

    async def complete(self, deadline_s: float | None) -> PipelineResults:
        """Run to the end and return the results, or raise how else the run ended."""
        tell, results = self.tell, self._results
        tell("pipeline.started")
        try:
            await self._host(deadline_s)
        except BaseException:
            tell("pipeline.cancelled", reason=_BY_CALLER)
            raise
        finally:
            results.duration_ms = self._timer.elapsed_ms()
        verdict = self._verdict
        if verdict is None:
            tell("pipeline.completed")
            return results
        spec = next((node.spec for node in self._nodes if node.name == verdict.stage), None)
        if isinstance(verdict, PipelineCancelled):
            tell("pipeline.cancelled", spec, reason=verdict.reason)
        else:
            tell("pipeline.failed", spec, error=verdict.reason)
        raise verdict

    async def _host(self, deadline_s: float | None) -> None:
        timers: list[asyncio.TimerHandle] = []
        await anyio.lowlevel.checkpoint_if_cancelled()
        try:
            async with anyio.create_task_group() as self._tasks:
                if deadline_s is not None:
                    timers.append(self._loop.call_later(deadline_s, self._miss_deadline, deadline_s))
                self._start(node for node in self._nodes if not node.spec.needs)
                try:
                    await self._over.wait()
                finally:
                    if len(self._outputs) < len(self._nodes):
                        self._tasks.cancel_scope.cancel()
                        timers.append(self._loop.call_later(GRACE_S, self._bring_down_all))
        finally:
            for timer in timers:
                timer.cancel()

    def _decide(self, verdict: RunEnded) -> None:
        """What ends the run first decides; a stage that is cut short by that, or by the caller, does not."""
        if not self._is_ending():
            self._verdict = verdict
            self._over.set()

    def _miss_deadline(self, deadline_s: float) -> None:
        flying = [node.name for node in self._nodes if node.name in self._flights]
        text = f"the run took longer than {deadline_s:g} s; still running: {', '.join(flying) or 'nothing'}"
        self._decide(DeadlineExceeded(next(iter(flying), ""), text, {}, self._results))

    def _exceed(self, node: Node) -> None:
        text = f"it took longer than {node.spec.timeout_s:g} s"
        self._decide(StageTimeout(node.name, text, {}, self._results))

    def _bring_down_all(self) -> None:
        for name, flight in self._flights.items():
            log.warning("stage overstays its cancellation", extra={"stage": name, "grace_s": GRACE_S})
            took_ms = self._timer.elapsed_ms() - flight.context.began_ms
            self.tell("stage.overstayed", flight.node.spec, duration_ms=took_ms, grace_s=GRACE_S)
            flight.pilot.bring_down()

    def _is_ending(self) -> bool:
        return self._verdict is not None or self._tasks.cancel_scope.cancel_called

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
        flight = self._flights[node.name] = Flight(node, pilot, self._context_of(node), self.tell)
        if node.spec.timeout_s is not None:
            flight.timeout = self._loop.call_later(node.spec.timeout_s, self._exceed, node)
        self.tell("stage.started", node.spec, duration_ms=0.0)
        if node.consumers:
            self._start(self._free(node.consumers))
        cause: BaseException | None = None
        try:
            output = await flight.attempts()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # whatever it is ends the run
            output, cause = flight.context.completed(self._outcome_of(error)), error
        verdict = self._verdict
        if isinstance(verdict, StageTimeout) and verdict.stage == node.name:  # whatever it has returned since
            output = flight.context.completed(StageOutput.fail(verdict.reason))
        self._land(flight, output, cause)

    def _context_of(self, node: Node) -> StageContext:
        facts, streams = self._snapshot, self._streams.get(node.name, {})
        inputs = StageInputs(facts, self._ports, self._outputs, node.upstream, streams, node.name)
        writer = StreamWriter(node.name, self._outgoing(node) if node.consumers else (), node.refusal)
        config = {**self._config, **node.spec.config}
        return StageContext(facts, inputs, node.name, config, writer, self._timer.elapsed_ms())

    def _outcome_of(self, error: BaseException) -> StageOutput:
        if not isinstance(error, asyncio.CancelledError):
            return StageOutput.fail(f"{type(error).__name__}: {error}")
        if anyio.current_effective_deadline() > -inf:
            return StageOutput.fail("CancelledError: raised, though nobody had cancelled it")
        verdict = self._verdict
        return StageOutput.cancel(f"the run ended with stage {verdict.stage!r}" if verdict else _BY_CALLER)

    def _land(self, flight: Flight, output: StageOutput, cause: BaseException | None) -> None:
        """Book the end of a stage, and let go of everybody who may wait for it at the other end of a stream."""
        name = flight.node.name
        del self._flights[name]
        if flight.timeout is not None:
            flight.timeout.cancel()
        self._settle(flight.node, output)
        if output.status is StageStatus.FAIL:
            failure = StageFailed(name, output.error or "", output.data, self._results)
            failure.__cause__ = cause
            flight.context.stream.close(failure)
            self._decide(failure)
        elif output.status is StageStatus.CANCEL:
            self._decide(PipelineCancelled(name, output.reason or "", output.data, self._results))
        flight.context.stream.close()

    def _settle(self, node: Node, output: StageOutput) -> None:
        self._outputs[node.name] = output
        for channel in self._streams.get(node.name, {}).values():
            channel.leave()
        if self._sink is not None:
            why = {key: text for key in ("error", "reason") if (text := getattr(output, key)) is not None}
            self.tell(_EVENTS[output.status], node.spec, duration_ms=output.duration_ms, **why)
        if len(self._outputs) == len(self._nodes):
            self._over.set()

    def tell(self, type: str, spec: StageSpec | None = None, /, **data: object) -> None:
        """Tell the sink, if there is one that listens, of the run's life."""
        if self._sink is None:
            return
        told = {
            "run_id": self._results.run_id,
            "stage": spec and spec.name,
            "kind": spec and spec.kind,
            "duration_ms": self._timer.elapsed_ms(),
        }
        show(self._sink, StageEvent(type, told | data))

    # --- edges -----------------------------------------------------------------------------------------------

    def _free(self, waiting: Iterable[Node]) -> list[Node]:
        """Satisfy one edge of each; returns those that can start now. Who is passed by frees others in turn."""
        free: list[Node] = []
        pending = list(waiting)
        for node in pending:
            self._missing[node.name] -= 1
            if self._missing[node.name]:
                continue
            if reason := self._why_passed_by(node):
                self._passed_by.add(node.name)
                self._settle(node, StageOutput.skip(reason))
                for channel in self._outgoing(node):
                    channel.close()
                pending += (*node.consumers, *node.followers)
            else:
                free.append(node)
        return free

    def _outgoing(self, node: Node) -> list[Channel]:
        return [self._streams[consumer.name][node.name] for consumer in node.consumers]

    def _why_passed_by(self, node: Node) -> str:
        if node.spec.when is not None:
            router, wanted = node.spec.when
            route = self._outputs[router].data.get("route")
            if route != wanted:
                return f"{router!r} said {route!r}, not {wanted!r}"
        if self._passed_by and self._passed_by.issuperset(node.spec.needs):
            return f"depends only on what was passed by: {', '.join(node.spec.needs)}"
        return ""

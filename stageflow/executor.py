"""Runs one graph in one task group and returns when nothing of it is left.

Theory of operation
-------------------
Each stage is a task that is started when its value dependencies have ended and the stages it reads streams of have
been started. The first stage that cancels, fails or runs out of time settles the run: the others are cancelled and
awaited by the task group. Outputs are kept in one dictionary of the run; the graph keeps nothing.
"""

from collections.abc import Mapping
from time import monotonic
from types import MappingProxyType
from typing import Any

import anyio
from anyio.abc import TaskGroup

from stageflow.context import ContextSnapshot
from stageflow.core import PipelineTimer, StageContext, StageEvent, StageOutput, StageStatus
from stageflow.errors import (
    DeadlineExceeded,
    InvalidOutputError,
    PipelineCancelled,
    RunEnded,
    StageFailed,
    StageTimeout,
)
from stageflow.graph import PipelineGraph, PipelineResults, StageSpec
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import as_ports
from stageflow.streams import Channel, StreamWriter

_NO_OUTPUT: Mapping[str, Any] = MappingProxyType({})


class Run:
    """One run of one graph."""

    def __init__(
        self,
        graph: PipelineGraph,
        snapshot: ContextSnapshot,
        ports: Any,
        config: Mapping[str, Any],
        event_sink: Any,
    ) -> None:
        self._graph = graph
        self._snapshot = snapshot
        self._ports = as_ports(ports)
        self._config = config
        self._sink = event_sink
        self._timer = PipelineTimer()
        self._outputs: dict[str, StageOutput] = {}
        self._view = MappingProxyType(self._outputs)
        self._started: set[str] = set()
        self._ended: RunEnded | None = None
        self._channels = {
            (spec.name, consumer): Channel(spec.name)
            for spec in graph.stages
            for consumer in graph.consumers[spec.name]
        }

    async def complete(self, deadline_s: float | None) -> PipelineResults:
        """Run to the end; raises what ended it early."""
        self._tell("pipeline.started")
        try:
            with anyio.move_on_after(deadline_s) as deadline:
                async with anyio.create_task_group() as tasks:
                    self._start_ready(tasks)
        except BaseException:
            self._tell("pipeline.cancelled")
            raise
        if deadline.cancelled_caught and self._ended is None:
            running = next((name for name in self._graph.order if name not in self._outputs), "")
            self._ended = DeadlineExceeded(
                running, f"the run took longer than {deadline_s:g} s", _NO_OUTPUT, self._results()
            )
        if self._ended is not None:
            cancelled = isinstance(self._ended, PipelineCancelled)
            self._tell("pipeline.cancelled" if cancelled else "pipeline.failed", stage=self._ended.stage)
            raise self._ended
        self._tell("pipeline.completed")
        return self._results()

    def _results(self) -> PipelineResults:
        return PipelineResults(self._outputs, self._graph.order)

    def _start_ready(self, tasks: TaskGroup) -> None:
        """Start what can start; in topological order, so that a stream's producer comes before its consumer."""
        for spec in self._graph.stages:
            if spec.name in self._started:
                continue
            if not all(need in self._outputs for need in spec.dependencies):
                continue
            if not all(need in self._started for need in spec.streams):
                continue
            self._started.add(spec.name)
            if self._is_routed_away(spec):
                self._finish(spec, StageOutput.skip("routed elsewhere", {"routed_away": True}))
                return self._start_ready(tasks)
            tasks.start_soon(self._run_stage, spec, tasks)
        return None

    def _is_routed_away(self, spec: StageSpec) -> bool:
        if spec.when is not None:
            route = self._outputs[spec.when[0]].data.get("route") if spec.when[0] in self._outputs else None
            if route != spec.when[1]:
                return True
        needs = [self._outputs.get(need) for need in spec.needs]
        return bool(needs) and all(output is not None and output.data.get("routed_away") for output in needs)

    async def _run_stage(self, spec: StageSpec, tasks: TaskGroup) -> None:
        began = monotonic()
        self._tell("stage.started", spec)
        writer = StreamWriter(
            spec.name,
            tuple(self._channels[spec.name, consumer] for consumer in self._graph.consumers[spec.name]),
        )
        context = self._context(spec, writer)
        try:
            output = await self._execute(spec, context)
        except Exception as error:  # noqa: BLE001 - whatever a stage raises ends the run, with its cause
            writer.close(error)
            self._fail(spec, error, tasks)
            return
        finally:
            for producer in spec.streams:
                self._channels[producer, spec.name].leave()
        output = output.recorded(context.artifacts, context.events, (monotonic() - began) * 1000)
        failed = output.status in (StageStatus.FAIL, StageStatus.RETRY)
        writer.close(
            StageFailed(spec.name, output.error or "", output.data, self._results()) if failed else None
        )
        self._settle(spec, output, tasks)

    async def _execute(self, spec: StageSpec, context: StageContext) -> StageOutput:
        with anyio.move_on_after(spec.timeout_s) as patience:
            return _as_output(spec, await spec.instance().execute(context))
        assert patience.cancelled_caught
        raise StageTimeout(
            spec.name, f"it took longer than {spec.timeout_s:g} s", _NO_OUTPUT, self._results()
        )

    def _context(self, spec: StageSpec, writer: StreamWriter) -> StageContext:
        streams = {producer: self._channels[producer, spec.name] for producer in spec.streams}
        inputs = StageInputs(
            self._snapshot,
            self._view,
            self._ports,
            upstream=self._graph.upstream[spec.name],
            streams=streams,
            stage_name=spec.name,
        )
        own = {"inputs": inputs, "timer": self._timer, "event_sink": self._sink}
        config = MappingProxyType({**self._config, **spec.config, **own})
        emit = self._sink.emit if self._sink is not None else _drop
        return StageContext(self._snapshot, inputs, spec.name, self._timer, config, writer, emit)

    def _settle(self, spec: StageSpec, output: StageOutput, tasks: TaskGroup) -> None:
        if self._ended is not None:
            return
        match output.status:
            case StageStatus.OK | StageStatus.SKIP:
                self._finish(spec, output)
                self._start_ready(tasks)
            case StageStatus.CANCEL:
                self._outputs[spec.name] = output
                self._tell("stage.cancelled", spec, output)
                reason = str(output.data.get("reason", ""))
                self._end(PipelineCancelled(spec.name, reason, output.data, self._results()), tasks)
            case StageStatus.FAIL | StageStatus.RETRY:
                self._outputs[spec.name] = output
                self._tell("stage.failed", spec, output)
                error = output.error or ""
                if output.status is StageStatus.RETRY:
                    error += " (it asked for another try, and has no retry policy)"
                self._end(StageFailed(spec.name, error, output.data, self._results()), tasks)

    def _finish(self, spec: StageSpec, output: StageOutput) -> None:
        self._outputs[spec.name] = output
        for consumer in self._graph.consumers[spec.name]:
            self._channels[spec.name, consumer].close()
        self._tell("stage.skipped" if output.status is StageStatus.SKIP else "stage.completed", spec, output)

    def _fail(self, spec: StageSpec, error: Exception, tasks: TaskGroup) -> None:
        self._tell("stage.failed", spec)
        if self._ended is not None:
            return
        if isinstance(error, RunEnded):
            self._end(error, tasks)
            return
        failure = StageFailed(spec.name, f"{type(error).__name__}: {error}", _NO_OUTPUT, self._results())
        failure.__cause__ = error
        self._end(failure, tasks)

    def _end(self, ended: RunEnded, tasks: TaskGroup) -> None:
        self._ended = ended
        tasks.cancel_scope.cancel()

    def _tell(
        self, type: str, spec: StageSpec | None = None, output: StageOutput | None = None, **data: Any
    ) -> None:
        if self._sink is None:
            return
        data["run_id"] = self._snapshot.pipeline_run_id
        if spec is not None:
            data |= {"stage": spec.name, "kind": spec.kind}
        data["duration_ms"] = self._timer.elapsed_ms() if output is None else output.duration_ms
        self._sink.emit(StageEvent(type, data))


def _drop(event: StageEvent) -> None:
    return None


def _as_output(spec: StageSpec, given: Any) -> StageOutput:
    if isinstance(given, StageOutput):
        return given
    if given is None or isinstance(given, dict):
        return StageOutput.ok(given)
    raise InvalidOutputError(
        f"stage {spec.name!r} returned {type(given).__name__}: return a StageOutput, a dict or None"
    )

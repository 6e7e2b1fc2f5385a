"""Runs one graph and returns when nothing of it is left.

The caller's task is the host: it opens a task group, starts the first stages in it and waits. A stage that ends frees
those that waited for it, the first of them in the same task; one that starts frees those that read its stream.

- *Readiness*: a stage starts when all its edges are satisfied; if routing leads elsewhere, it is skipped (`Edges`).
- *Verdict*: the first stage that cancels, fails or exceeds its time, or the run's deadline, decides how the run ends
  (`run_state`). Then the host cancels the task group; so it does, without a verdict, when the caller cancels.
- *Grace*: who is cancelled has `GRACE_S` to end. Then it is named, and brought down (`stage_run`).
- *Streams*: a producer's end closes its channels, a consumer's end leaves them: neither waits for one who is gone.

Nothing awaits between reading state and acting on it, so there are no locks.
"""

import contextvars
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from copy import deepcopy

import anyio.lowlevel

from stageflow.context import ContextSnapshot
from stageflow.core import StageContext
from stageflow.errors import StageFailed, in_words
from stageflow.events import EventSink
from stageflow.frozen import FrozenDict
from stageflow.graph import OTHERWISE, STREAMING_KINDS, Node, PipelineResults, StageSpec
from stageflow.output import StageOutput
from stageflow.run_state import BY_CALLER, RunState
from stageflow.stage_run import GRACE_S, StageRun
from stageflow.stages.inputs import StageInputs
from stageflow.stages.services import StagePorts
from stageflow.streams import CAPACITY, Channel, StreamWriter, Waits

# Told of each stage's end, or skip, before anybody acts on it.
OnEnd = Callable[[StageSpec, StageOutput], None]
_REFUSAL = "stage {!r} sends into its stream, but is of kind {}: make it a TRANSFORM, ENRICH, GUARD or AGENT"
_ENDED = {"ok": "completed", "skip": "skipped", "cancel": "cancelled", "fail": "failed"}


class Edges:
    """The edges of one run: how many of each stage's are not satisfied yet, and the channels of its streams."""

    def __init__(self, nodes: Mapping[str, Node], state: RunState) -> None:
        self._nodes, self._outputs = nodes, state.outputs
        self._missing = {name: node.edge_count for name, node in nodes.items()}
        self._channels: dict[tuple[str, str], Channel] = {}  # by consumer and producer
        self.passed_by: set[str] = set()  # stages that routing led past
        self.waits = Waits(state.stall) if any(node.consumers for node in nodes.values()) else None
        for name, node in nodes.items():
            for one in node.spec.streams:
                size = node.spec.capacity or CAPACITY
                self._channels[name, one] = Channel(deque(), size, one, name, self.waits)

    def satisfy(self, node: Node) -> str | None:
        """One edge more; if it was the last, returns why the stage is passed by, or "" if it can start."""
        self._missing[node.name] -= 1
        if self._missing[node.name]:
            return None
        why = self._why_led_past(node.spec, *node.spec.when) if node.spec.when else ""
        if not why and self.passed_by and self.passed_by.issuperset(node.spec.needs):
            why = f"depends only on what was passed by: {', '.join(node.spec.needs)}"
        if why:
            self.passed_by.add(node.name)
        return why

    def _why_led_past(self, spec: StageSpec, router: str, wanted: object) -> str:
        route = self._outputs[router].data.get("route")
        said = f"{router!r} said {route!r}"
        if wanted is not OTHERWISE:
            return "" if route in spec.routes else f"{said}, not {' or '.join(map(repr, spec.routes))}"
        if router in self.passed_by:
            return f"depends only on what was passed by: {router}"
        others = [one.spec for one in self._nodes.values() if one.spec.when and one.spec.when[0] == router]
        return f"{said}, which another stage takes" if any(route in one.routes for one in others) else ""

    def channels_of(self, node: Node) -> tuple[dict[str, Channel], list[Channel]]:
        """What the stage reads, by producer, and what it sends, to each consumer."""
        reads = {one: self._channels[node.name, one] for one in node.spec.streams}
        return reads, [self._channels[one.name, node.name] for one in node.consumers]

    def end(self, node: Node) -> None:
        """The stage has ended, or never starts: it reads and sends no more."""
        reads, sends = self.channels_of(node)
        for channel in reads.values():
            channel.leave()
        for channel in sends:
            channel.close()


class Run:
    """One run of one graph: `await Run(...).complete(deadline_s)`."""

    def __init__(
        self, nodes: dict[str, Node], facts: ContextSnapshot, ports: StagePorts, settings: FrozenDict,
        sink: EventSink | None, on_end: OnEnd | None = None,
    ) -> None:  # fmt: skip
        """`nodes` by name, in topological order; `sink` is None if nobody listens; `on_end` may fail the run."""
        self._nodes, self._on_end = nodes, on_end
        self._facts, self._ports, self._settings = facts, ports, settings
        self._state = state = RunState(nodes, str(facts.pipeline_run_id), sink)
        self._edges = Edges(nodes, state)
        self._config = {**settings, "event_sink": sink, "timer": state.timer}
        self._variables = contextvars.copy_context()  # each stage has a copy of its own

    async def complete(self, deadline_s: float | None) -> PipelineResults:
        """Run to the end and return the results, or raise how else the run ended."""
        self._state.tell("pipeline.started")
        try:
            await self._host(deadline_s)
        except BaseException:
            self._state.tell("pipeline.cancelled", reason=BY_CALLER)
            raise
        results, verdict = self._state.results, self._state.verdict
        results.duration_ms = self._state.timer.elapsed_ms()
        if verdict is None:
            self._state.tell("pipeline.completed")
            return results
        event, why = ("failed", "error") if isinstance(verdict, StageFailed) else ("cancelled", "reason")
        self._state.tell(f"pipeline.{event}", self._nodes.get(verdict.stage), **{why: verdict.reason})
        raise verdict

    async def _host(self, deadline_s: float | None) -> None:
        await anyio.lowlevel.checkpoint_if_cancelled()
        state = self._state
        with ExitStack() as timers:
            if self._edges.waits is not None:
                timers.callback(self._edges.waits.stop)
            async with anyio.create_task_group() as self._tasks:
                if deadline_s is not None:
                    timers.callback(state.start_deadline(deadline_s).cancel)
                self._start(node for node in self._nodes.values() if not node.edge_count)
                try:
                    await state.over.wait()
                finally:
                    state.over.set()
                    if len(state.outputs) < len(self._nodes):
                        self._tasks.cancel_scope.cancel()
                        timers.callback(state.loop.call_later(GRACE_S, self._bring_down).cancel)

    def _bring_down(self) -> None:
        for stage in self._state.running.values():
            stage.overstay()

    def _start(self, free: Iterable[Node]) -> None:
        for node in free:
            self._tasks.start_soon(self._work, node)

    async def _work(self, node: Node) -> None:
        """Run a stage to its end, and then the first of those that it frees."""
        freed, state = [node], self._state
        while freed and not state.over.is_set():
            node, *others = freed
            if others:
                self._start(others)
            stage = self._begun(node)
            output = await stage.complete()
            del state.running[node.name], stage.context  # in a ring, all would be the garbage collector's
            self._settle(node, output)
            freed = self._free(node.followers) if node.followers and not state.over.is_set() else []

    def _begun(self, node: Node) -> StageRun:
        facts, name, state, edges, config = self._facts, node.name, self._state, self._edges, self._config
        stage = state.running[name] = StageRun(node, state, self._variables.copy())
        reads, sends = edges.channels_of(node) if node.spec.streams or node.consumers else ({}, ())
        passed_by, outputs = edges.passed_by, state.outputs
        inputs = StageInputs(facts, self._ports, outputs, node.sight, reads, name, passed_by)
        if self._settings.is_loose:
            config = {**config, **deepcopy(self._settings)}
        if node.spec.config:
            config = {**config, **deepcopy(node.spec.config)}  # what is frozen is its own copy
        refusal = "" if node.spec.kind in STREAMING_KINDS else _REFUSAL.format(name, node.spec.kind)
        writer, began_ms = StreamWriter(name, sends, refusal), state.timer.elapsed_ms()
        stage.context = StageContext(facts, inputs, name, config, writer, began_ms, fate=stage)
        if state.sink is not None:
            state.tell("stage.started", node, duration_ms=0.0)
        if node.consumers:
            self._start(self._free(node.consumers))
        return stage

    def _settle(self, node: Node, output: StageOutput) -> None:
        """A stage has its output: whoever waits for it, or wants to know, is told."""
        state = self._state
        state.outputs[node.name] = output
        if node.spec.streams or node.consumers:
            self._edges.end(node)
        if state.sink is not None:
            why = {key: text for key in ("error", "reason") if (text := getattr(output, key)) is not None}
            state.tell(f"stage.{_ENDED[output.status]}", node, duration_ms=output.duration_ms, **why)
        if self._on_end is not None:
            try:
                self._on_end(node.spec, output)
            except Exception as error:  # noqa: BLE001  # whatever it is ends the run
                text = f"what was to follow its end failed: {in_words(error)}"
                state.fail(node.name, text, error)
        if len(state.outputs) == len(self._nodes):
            state.over.set()

    def _free(self, waiting: Iterable[Node]) -> list[Node]:
        """Satisfy one edge of each; returns those that can start now. Who is passed by frees others in turn."""
        free: list[Node] = []
        pending = list(waiting)
        for node in pending:
            if why := self._edges.satisfy(node):
                self._settle(node, StageOutput.skip(why))
                pending += (*node.consumers, *node.followers)
            elif why is not None:
                free.append(node)
        return free

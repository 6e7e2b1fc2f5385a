"""Runs one graph and returns when nothing of it is left.

The caller's task is the host: it opens one task group, starts the first stages in it and waits. A stage that
ends frees those that waited for it: the first goes on in the same task, each further one gets a task of its
own; so a chain of stages costs one task. A stage that starts frees those that read its stream.

- *Counting*: each stage has a number of edges that must be satisfied before it starts. At zero it starts, or,
  if routing leads elsewhere, is skipped, which satisfies the edges that go out of it in the same way.
- *Verdict*: the first stage that cancels, fails or exceeds its time, or the run's deadline, decides how the run
  ends; what happens later changes nothing. The verdict wakes the host, which cancels the task group. So does the
  caller's cancellation, which is no verdict: it goes on to the caller.
- *Grace*: who is cancelled has `GRACE_S` to end. Then it is named, and brought down (`stageflow.pilot`).
- *Streams*: one channel for each stream edge and run. A producer's end closes its channels, a consumer's end
  leaves them, in any outcome: neither can wait for one who is gone.

All state of a run is in its `Run`, none in the graph. Nothing awaits between reading state and acting on it, so
there are no locks.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from random import random

import anyio.lowlevel

from stageflow.context import ContextSnapshot, PipelineTimer
from stageflow.core import StageContext, StageOutput, StageStatus
from stageflow.errors import DeadlineExceeded, PipelineCancelled, RunEnded, StageFailed, StageTimeout
from stageflow.events import Data, NoOpEventSink, StageEvent, show
from stageflow.graph import Node, PipelineResults
from stageflow.pilot import Pilot
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import StagePorts
from stageflow.streams import Channel, StreamWriter

log = logging.getLogger(__name__)

GRACE_S = 1.0  # how long a cancelled stage may take to end; twenty times what is asked of it
_NO_POLICY = "it asks for another try, but has no retry policy: add retry=RetryPolicy() to its with_stage"
_BY_CALLER = "the caller cancelled the run"
_ENDED = {"ok": "completed", "skip": "skipped", "cancel": "cancelled", "fail": "failed"}


class Run:
    """One run of one graph: `await Run(...).complete(deadline_s)`."""

    def __init__(
        self, nodes: dict[str, Node], facts: ContextSnapshot, ports: StagePorts, config: Data
    ) -> None:
        """`nodes` by name, in topological order; `config` has the `event_sink` in it."""
        self._nodes, self._facts, self._ports = nodes, facts, ports
        self._loop = asyncio.get_running_loop()
        self._timer = PipelineTimer(self._loop.time)
        self._config = {**config, "timer": self._timer}
        sink = config["event_sink"]
        self._sink = None if isinstance(sink, NoOpEventSink) else sink
        self._outputs: dict[str, StageOutput] = {}
        self._results = PipelineResults(nodes, self._outputs, str(facts.pipeline_run_id))
        # By consumer and producer.
        self._streams = {(name, one): Channel() for name, node in nodes.items() for one in node.spec.streams}
        self._missing = {name: len(node.spec.needs) for name, node in nodes.items()}
        self._passed_by: set[str] = set()  # stages that routing led past
        self._flying: dict[str, tuple[StageContext, Pilot]] = {}
        self._verdict: RunEnded | None = None
        self._over = asyncio.Event()  # by a verdict, the end of all stages, or the caller's cancellation

    async def complete(self, deadline_s: float | None) -> PipelineResults:
        """Run to the end and return the results, or raise how else the run ended."""
        self._tell("pipeline.started")
        try:
            await self._host(deadline_s)
        except BaseException:
            self._tell("pipeline.cancelled", reason=_BY_CALLER)
            raise
        self._results.duration_ms = self._timer.elapsed_ms()
        if (verdict := self._verdict) is None:
            self._tell("pipeline.completed")
            return self._results
        on_purpose = isinstance(verdict, PipelineCancelled)
        event, why = ("cancelled", "reason") if on_purpose else ("failed", "error")
        self._tell(f"pipeline.{event}", self._nodes.get(verdict.stage), **{why: verdict.reason})
        raise verdict

    async def _host(self, deadline_s: float | None) -> None:
        await anyio.lowlevel.checkpoint_if_cancelled()
        with ExitStack() as timers:
            async with anyio.create_task_group() as self._tasks:
                if deadline_s is not None:
                    timers.callback(self._loop.call_later(deadline_s, self._miss_deadline, deadline_s).cancel)
                self._start(node for node in self._nodes.values() if not node.spec.needs)
                try:
                    await self._over.wait()
                finally:
                    self._over.set()
                    if len(self._outputs) < len(self._nodes):
                        self._tasks.cancel_scope.cancel()
                        timers.callback(self._loop.call_later(GRACE_S, self._bring_down_all).cancel)

    def _decide(self, verdict: RunEnded) -> None:
        """What ends the run first decides; a stage that is cut short by that, or by the caller, does not."""
        if not self._over.is_set():
            self._verdict = verdict
            self._over.set()

    def _miss_deadline(self, deadline_s: float) -> None:
        flying = [name for name in self._nodes if name in self._flying]
        text = f"the run took longer than {deadline_s:g} s; still running: {', '.join(flying) or 'nothing'}"
        self._decide(DeadlineExceeded(next(iter(flying), ""), text, {}, self._results))

    def _bring_down_all(self) -> None:
        for name, (context, pilot) in self._flying.items():
            log.warning("stage overstays its cancellation", extra={"stage": name, "grace_s": GRACE_S})
            took_ms = self._timer.elapsed_ms() - context.began_ms
            self._tell("stage.overstayed", self._nodes[name], duration_ms=took_ms, grace_s=GRACE_S)
            pilot.bring_down()

    def _start(self, free: Iterable[Node]) -> None:
        for node in free:
            self._tasks.start_soon(self._work, node)

    async def _work(self, node: Node) -> None:
        freed = [node]
        while freed and not self._over.is_set():
            node, *others = freed
            if others:
                self._start(others)
            await self._fly(node)
            freed = self._free(node.followers) if node.followers and not self._over.is_set() else []

    async def _fly(self, node: Node) -> None:
        """Run a stage to its end, whatever that is, and let go of who may wait for it at its streams."""
        name, limit_s, results = node.name, node.spec.timeout_s, self._results
        context, pilot = self._flying[name] = self._context_of(node), Pilot()
        late = timer = cause = None
        if limit_s is not None:
            late = StageTimeout(name, f"it took longer than {limit_s:g} s", {}, results)
            timer = self._loop.call_later(limit_s, self._decide, late)
        self._tell("stage.started", node, duration_ms=0.0)
        if node.consumers:
            self._start(self._free(node.consumers))
        try:
            output = await pilot.drive(self._attempts(node, context))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # whatever it is ends the run
            output, cause = context.completed(self._outcome_of(error, context)), error
        if late is not None and late is self._verdict:  # whatever it has returned since
            output = context.completed(StageOutput.fail(late.reason))
        if timer is not None:
            timer.cancel()
        del self._flying[name]
        if output.status is StageStatus.FAIL:
            failure = StageFailed(name, output.error or "", output.data, results)
            failure.__cause__ = cause
            context.stream.close(failure)
            self._decide(failure)
        elif output.status is StageStatus.CANCEL:
            self._decide(PipelineCancelled(name, output.reason or "", output.data, results))
        context.stream.close()
        self._settle(node, output)

    async def _attempts(self, node: Node, context: StageContext) -> StageOutput:
        """Run a stage until it does not ask for another try, or does not get it."""
        attempt, policy = 1, node.spec.retry
        while (output := await node.attempt(context)).status is StageStatus.RETRY:
            if policy is None:
                why = _NO_POLICY
            elif attempt >= policy.max_attempts:
                why = f"after {attempt} attempts, which is all that its retry policy allows"
            elif context.stream.sent:
                why = "another try is impossible, because its consumers have had items of its stream already"
            elif any(channel.taken for channel in context.inputs.streams.values()):
                why = "another try is impossible, because it has had items of a stream already"
            else:
                wait_s = policy.delay_s(attempt, output.after_s, random())
                told = {"attempt": attempt, "wait_s": wait_s, "error": output.error}
                self._tell("stage.retried", node, duration_ms=output.duration_ms, **told)
                await anyio.sleep(wait_s)
                attempt += 1
                context.artifacts.clear()  # what a try recorded that came to nothing is forgotten
                context.events.clear()
                continue
            error = f"{output.error or 'it asked for another try'} ({why})"
            return replace(output, status=StageStatus.FAIL, error=error)
        return output

    def _context_of(self, node: Node) -> StageContext:
        facts, reads, readers = self._facts, node.spec.streams, node.consumers  # none, in most stages
        streams = {one: self._streams[node.name, one] for one in reads} if reads else {}
        outgoing = [self._streams[one.name, node.name] for one in readers] if readers else ()
        inputs = StageInputs(facts, self._ports, self._outputs, node.upstream, streams, node.name)
        writer = StreamWriter(node.name, outgoing, node.refusal)
        config = {**self._config, **node.spec.config} if node.spec.config else self._config
        return StageContext(facts, inputs, node.name, config, writer, self._timer.elapsed_ms())

    def _outcome_of(self, error: BaseException, context: StageContext) -> StageOutput:
        if not isinstance(error, asyncio.CancelledError):
            return StageOutput.fail(f"{type(error).__name__}: {error}")
        if not context.is_cancelled:
            return StageOutput.fail("CancelledError: raised, though nobody had cancelled it")
        verdict = self._verdict
        return StageOutput.cancel(f"the run ended with stage {verdict.stage!r}" if verdict else _BY_CALLER)

    def _settle(self, node: Node, output: StageOutput) -> None:
        self._outputs[node.name] = output
        for producer in node.spec.streams:
            self._streams[node.name, producer].leave()
        if self._sink is not None:
            why = {key: text for key in ("error", "reason") if (text := getattr(output, key)) is not None}
            self._tell(f"stage.{_ENDED[output.status]}", node, duration_ms=output.duration_ms, **why)
        if len(self._outputs) == len(self._nodes):
            self._over.set()

    def _tell(self, type: str, node: Node | None = None, /, **data: object) -> None:
        """Tell the sink, if there is one that listens, of the run's life."""
        if self._sink is not None:
            stage, kind = (node.name, node.spec.kind) if node else (None, None)
            known = {"run_id": self._results.run_id, "stage": stage, "kind": kind}
            show(self._sink, StageEvent(type, {**known, "duration_ms": self._timer.elapsed_ms(), **data}))

    def _free(self, waiting: Iterable[Node]) -> list[Node]:
        """Satisfy one edge of each; returns those that can start now. Who is passed by frees others in turn."""
        free: list[Node] = []
        pending = list(waiting)
        for node in pending:
            self._missing[node.name] -= 1
            if self._missing[node.name]:
                continue
            router, wanted = node.spec.when or ("", None)
            if router and (route := self._outputs[router].data.get("route")) != wanted:
                reason = f"{router!r} said {route!r}, not {wanted!r}"
            elif self._passed_by and self._passed_by.issuperset(node.spec.needs):
                reason = f"depends only on what was passed by: {', '.join(node.spec.needs)}"
            else:
                free.append(node)
                continue
            self._passed_by.add(node.name)
            self._settle(node, StageOutput.skip(reason))
            for consumer in node.consumers:
                self._streams[consumer.name, node.name].close()
            pending += (*node.consumers, *node.followers)
        return free

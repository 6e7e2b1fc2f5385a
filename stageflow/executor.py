"""Runs one graph and returns when nothing of it is left.

The caller's task is the host: it opens a task group, starts the first stages in it and waits. A stage that ends frees
those that waited for it: the first goes on in the same task, so a chain of stages costs one task. A stage that starts
frees those that read its stream.

- *Counting*: a stage starts when all its edges are satisfied. If routing leads elsewhere, it is skipped instead.
- *Verdict*: the first stage that cancels, fails or exceeds its time, or the run's deadline, decides how the run ends.
  Then the host cancels the task group; so it does, without a verdict, when the caller cancels.
- *Grace*: who is cancelled has `GRACE_S` to end. Then it is named, and brought down (`stageflow.pilot`).
- *Streams*: a producer's end closes its channels, a consumer's end leaves them: neither waits for one who is gone.

Nothing awaits between reading state and acting on it, so there are no locks.
"""

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from copy import deepcopy
from dataclasses import replace
from math import inf
from random import random
from typing import Any

import anyio.lowlevel

from stageflow import errors
from stageflow.context import ContextSnapshot, PipelineTimer
from stageflow.core import StageContext, StageOutput, StageStatus
from stageflow.errors import PipelineCancelled, RunEnded, StageFailed, in_words, leaves
from stageflow.events import EventSink, StageEvent, show
from stageflow.frozen import FrozenDict
from stageflow.graph import OTHERWISE, Node, PipelineResults, StageSpec
from stageflow.pilot import Pilot
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import StagePorts
from stageflow.stall import Wait, Waits
from stageflow.streams import CAPACITY, Channel, StreamWriter

log = logging.getLogger(__name__)

# Told of each stage's end, a routed-past one's too, before anybody acts on it.
OnEnd = Callable[[StageSpec, StageOutput], None]

GRACE_S = 1.0  # how long a cancelled stage may take to end; twenty times what is asked of it
_BY_CALLER = "the caller cancelled the run"
_BY_NOBODY = "CancelledError: raised, though nobody had cancelled it"
_NO_SCOPE = nullcontext()
_CUT_SHORT = StageOutput.fail("it was cancelled")
_ENDED = {"ok": "completed", "skip": "skipped", "cancel": "cancelled", "fail": "failed"}


class Flight(Pilot):
    """A stage under way: who drives it, when its time is up, and what becomes of it."""

    context: StageContext  # set right after
    instance: Any = None  # of the stage, if that is a class
    late_at = inf  # when its own limit is exceeded
    late: errors.StageTimeout | None = None  # what it is told then
    is_late = False
    scope: anyio.CancelScope | None = None  # of an optional stage, which can be cancelled alone
    timers: tuple[asyncio.TimerHandle, ...] = ()
    cause: BaseException | None = None  # what was raised in it

    def __init__(self, run: "Run", node: Node, variables: contextvars.Context) -> None:
        self.run, self.node, self._variables = run, node, variables

    def is_over(self) -> bool:
        return self.is_late or self.run.is_over(self.late_at)

    def ending(self) -> Exception:
        """What an interceptor is told when the stage is cut short."""
        if self.is_late and self.late is not None:
            return self.late
        why = self.run.why_cut_short()
        return errors.StageUsageError(_BY_NOBODY) if why is None else errors.StageCancelled(why)


class Run:
    """One run of one graph: `await Run(...).complete(deadline_s)`."""

    def __init__(
        self, nodes: dict[str, Node], facts: ContextSnapshot, ports: StagePorts, settings: FrozenDict,
        sink: EventSink | None, on_end: OnEnd | None = None,
    ) -> None:  # fmt: skip
        """`nodes` by name, in topological order; `sink` is None if nobody listens; `on_end` may fail the run."""
        self._on_end = on_end
        self._nodes, self._facts, self._ports = nodes, facts, ports
        self._loop = asyncio.get_running_loop()
        self._timer = PipelineTimer(self._loop.time)
        self._settings, self._sink = settings, sink
        self._config = {**settings, "event_sink": sink, "timer": self._timer}
        self._variables = contextvars.copy_context()  # each stage has a copy of its own
        self._outputs: dict[str, StageOutput] = {}
        self._results = PipelineResults(tuple(nodes), self._outputs, str(facts.pipeline_run_id))
        self._waits: Waits | None = None
        self._streams: dict[tuple[str, str], Channel] = {}  # by consumer and producer
        # How many edges of each stage are not satisfied yet.
        self._missing = {name: len(node.spec.needs) for name, node in nodes.items()}
        for name, node in nodes.items():
            for one in node.spec.streams:
                self._waits, size = self._waits or Waits(self._stall), node.spec.capacity or CAPACITY
                self._streams[name, one] = Channel(deque(), size, one, name, self._waits)
        self._passed_by: set[str] = set()  # stages that routing led past
        self._flying: dict[str, Flight] = {}
        self._deadline_s = self._deadline_at = inf
        self._verdict: RunEnded | None = None
        self._over = asyncio.Event()  # by a verdict, the end of all stages, or the caller's cancellation

    def is_over(self, until: float) -> bool:
        """Whether the run is, or its time is up, or it is `until` already. Can be asked from any thread."""
        return self._over.is_set() or self._loop.time() >= min(until, self._deadline_at)

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
            if self._waits is not None:
                timers.callback(self._waits.stop)
            async with anyio.create_task_group() as self._tasks:
                if deadline_s is not None:
                    self._deadline_s, self._deadline_at = deadline_s, self._loop.time() + deadline_s
                    timers.callback(self._loop.call_later(deadline_s, self._miss_deadline).cancel)
                self._start(node for node in self._nodes.values() if not node.spec.needs)
                try:
                    await self._over.wait()
                finally:
                    self._over.set()
                    if len(self._outputs) < len(self._nodes):
                        self._tasks.cancel_scope.cancel()
                        timers.callback(self._loop.call_later(GRACE_S, self._bring_down).cancel)

    def _decide(self, verdict: RunEnded) -> None:
        """What ends the run first decides; a stage that is cut short by that, or by the caller, does not."""
        if not self._over.is_set():
            self._verdict = verdict
            self._over.set()

    def why_cut_short(self) -> str | None:
        """Why the stages under way are being cancelled; None if they are not."""
        if self._verdict is not None:
            return f"the run ended with stage {self._verdict.stage!r}"
        is_cancelled = self._over.is_set() or anyio.current_effective_deadline() == -inf
        return _BY_CALLER if is_cancelled else None

    def _miss_deadline(self) -> None:
        flying = [name for name in self._nodes if name in self._flying]
        text = f"the run took longer than {self._deadline_s:g} s; still running: {', '.join(flying) or 'nothing'}"
        self._decide(errors.DeadlineExceeded(next(iter(flying), ""), text, {}, self._results))

    def _miss_limit(self, flight: Flight) -> None:
        """A stage has exceeded its own time: the run ends, or, if it can do without, the stage alone."""
        if self._over.is_set() or flight.is_late or flight.late is None:
            return
        flight.is_late = True
        if flight.scope is None:
            self._decide(flight.late)
        else:
            flight.scope.cancel()
            flight.timers += (self._loop.call_later(GRACE_S, self._bring_down, flight),)

    def _stall(self, ring: list[Wait]) -> None:
        text = f"streams wait for each other, for ever: {', '.join(map(str, ring))}"
        full = {wait.other for wait in ring if wait.is_for_room}
        reader = next(wait.by for wait in ring if wait.by in full and not wait.is_for_room)
        remedy = f"let {reader!r} read its streams at once, in a task each, or give them more capacity"
        failure = StageFailed(reader, f"{text}; {remedy}", {}, self._results)
        failure.__cause__ = errors.StreamError(text)
        self._decide(failure)

    def _bring_down(self, *flights: Flight) -> None:
        for flight in flights or self._flying.values():
            about = {"stage": flight.node.name, "grace_s": GRACE_S}
            log.warning("stage overstays its cancellation", extra=about)
            took_ms = self._timer.elapsed_ms() - flight.context.began_ms
            self._tell("stage.overstayed", flight.node, duration_ms=took_ms, grace_s=GRACE_S)
            flight.bring_down()

    def _start(self, free: Iterable[Node]) -> None:
        for node in free:
            self._tasks.start_soon(self._work, node)

    async def _work(self, node: Node) -> None:
        freed, task = [node], asyncio.current_task()
        while freed and not self._over.is_set():
            node, *others = freed
            if others:
                self._start(others)
            await self._fly(node, task)
            freed = self._free(node.followers) if node.followers and not self._over.is_set() else []

    async def _fly(self, node: Node, task: asyncio.Task[Any] | None) -> None:
        """Run a stage to its end, whatever that is, and let go of who may wait for it at its streams."""
        flight = self._flying[node.name] = self._take_off(node)
        flight.task = task
        if self._sink is not None:
            self._tell("stage.started", node, duration_ms=0.0)
        if node.consumers:
            self._start(self._free(node.consumers))
        output = _CUT_SHORT  # as its own scope cuts it, because it is late
        try:
            with flight.scope or _NO_SCOPE:
                output = await flight.drive(self._attempts(flight), node.name)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # whatever it is ends the run
            output = flight.context.completed(self._outcome_of(error, flight))
            if flight.is_bringing_down and flight.scope and task is not None and not self._over.is_set():
                task.uncancel()  # only the stage was brought down; the task goes on with those after it
        if flight.timers or self._deadline_at != inf:
            output = self._checked_time(flight, output)
        del self._flying[node.name]
        self._land(flight, output)

    def _take_off(self, node: Node) -> Flight:
        limit_s, flight = node.spec.timeout_s, Flight(self, node, self._variables.copy())
        flight.context = self._context_of(node, flight)
        if limit_s is not None:
            flight.late_at = self._loop.time() + limit_s
            why = f"it took longer than {limit_s:g} s"
            flight.late = errors.StageTimeout(node.name, why, {}, self._results)
            flight.timers = (self._loop.call_later(limit_s, self._miss_limit, flight),)
        if node.spec.optional:
            flight.scope = anyio.CancelScope()
        return flight

    def _checked_time(self, flight: Flight, output: StageOutput) -> StageOutput:
        """What a stage with a limit comes to: what it has returned too late counts as little as what it swallowed."""
        now_s = self._loop.time()
        if now_s > self._deadline_at:
            self._miss_deadline()
        if now_s > flight.late_at:
            self._miss_limit(flight)
        for timer in flight.timers:
            timer.cancel()
        if flight.is_late and flight.late is not None:
            return flight.context.completed(StageOutput.fail(flight.late.reason))
        return output

    def _land(self, flight: Flight, output: StageOutput) -> None:
        """A stage has ended: what that means for the run."""
        name, stream = flight.node.name, flight.context.stream
        if output.status is StageStatus.FAIL and flight.scope and not self._over.is_set():
            reason = f"it is optional, and failed: {output.error}"
            output = replace(output, status=StageStatus.SKIP, reason=reason)
        elif output.status is StageStatus.FAIL:
            failure = StageFailed(name, output.error or "", output.data, self._results)
            failure.__cause__ = flight.cause
            stream.close(failure)
            self._decide(failure)
        elif output.status is StageStatus.CANCEL:
            self._decide(PipelineCancelled(name, output.reason or "", output.data, self._results))
        stream.close()
        self._settle(flight.node, output)

    async def _attempts(self, flight: Flight) -> StageOutput:
        """Run a stage until it does not ask for another try, or does not get it."""
        attempt, node, context = 1, flight.node, flight.context
        policy = node.spec.retry
        while True:
            try:
                output = await node.attempt(context)
            except Exception as error:
                if policy is None or not policy.retries(error):
                    raise
                flight.cause = _cause(error)
                output = context.completed(StageOutput.retry(in_words(error)))
            if output.status is not StageStatus.RETRY:
                return output
            if (why := _no_further(flight, attempt)) or policy is None:
                error_text = f"{output.error or 'it asked for another try'} ({why})"
                return replace(output, status=StageStatus.FAIL, error=error_text)
            wait_s = policy.delay_s(attempt, output.after_s, random())
            told = {"attempt": attempt, "wait_s": wait_s, "error": output.error}
            self._tell("stage.retried", node, duration_ms=output.duration_ms, **told)
            await anyio.sleep(wait_s)
            attempt += 1
            context.artifacts.clear()  # what a try recorded that came to nothing is forgotten
            context.events.clear()
            flight.cause = None

    def _context_of(self, node: Node, flight: Flight) -> StageContext:
        facts, name, config = self._facts, node.name, self._config
        own: Any = node.spec.config
        reads, readers = node.spec.streams, node.consumers  # none, in most stages
        streams = {one: self._streams[name, one] for one in reads} if reads else {}
        outgoing = [self._streams[one.name, name] for one in readers] if readers else ()
        inputs = StageInputs(facts, self._ports, self._outputs, node.sight, streams, name, self._passed_by)
        writer = StreamWriter(name, outgoing, node.refusal)
        if self._settings.is_loose:
            config = {**config, **deepcopy(self._settings)}
        if own:
            config = {**config, **deepcopy(own)}  # what is frozen is its own copy
        return StageContext(facts, inputs, name, config, writer, self._timer.elapsed_ms(), fate=flight)

    def _outcome_of(self, error: BaseException, flight: Flight) -> StageOutput:
        flight.cause = _cause(error)
        if isinstance(error, PipelineCancelled):  # of a graph that the stage has run: its purpose is ours
            return StageOutput.cancel(error.reason, error.data)
        if not isinstance(error, asyncio.CancelledError):
            return StageOutput.fail(in_words(error))
        why = self.why_cut_short()
        return StageOutput.fail(_BY_NOBODY) if why is None else StageOutput.cancel(why)

    def _settle(self, node: Node, output: StageOutput) -> None:
        self._outputs[node.name] = output
        for producer in node.spec.streams:
            self._streams[node.name, producer].leave()
        if self._sink is not None:
            why = {key: text for key in ("error", "reason") if (text := getattr(output, key)) is not None}
            self._tell(f"stage.{_ENDED[output.status]}", node, duration_ms=output.duration_ms, **why)
        if self._on_end is not None:
            self._report_end(self._on_end, node.spec, output)
        if len(self._outputs) == len(self._nodes):
            self._over.set()

    def _report_end(self, on_end: OnEnd, spec: StageSpec, output: StageOutput) -> None:
        try:
            on_end(spec, output)
        except Exception as error:  # noqa: BLE001  # whatever it is ends the run
            text = f"what was to follow its end failed: {in_words(error)}"
            failure = StageFailed(spec.name, text, {}, self._results)
            failure.__cause__ = _cause(error)
            self._decide(failure)

    def _tell(self, type: str, node: Node | None = None, /, **data: object) -> None:
        """Tell the sink, if there is one that listens, of the run's life."""
        if self._sink is not None:
            stage, kind = (node.name, node.spec.kind) if node else (None, None)
            run_id, now_ms = self._results.run_id, self._timer.elapsed_ms()
            known = {"run_id": run_id, "stage": stage, "kind": kind, "duration_ms": now_ms}
            show(self._sink, StageEvent(type, {**known, **data}, run_id, stage, now_ms))

    def _free(self, waiting: Iterable[Node]) -> list[Node]:
        """Satisfy one edge of each; returns those that can start now. Who is passed by frees others in turn."""
        free: list[Node] = []
        pending = list(waiting)
        for node in pending:
            self._missing[node.name] -= 1
            if self._missing[node.name]:
                continue
            if node.spec.when and (said := self._led_past(node)):
                reason = said
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

    def _led_past(self, node: Node) -> str:
        """Why routing leads past a stage; empty if it does not."""
        if node.spec.when is None:
            return ""
        router, wanted = node.spec.when
        route = self._outputs[router].data.get("route")
        if wanted is not OTHERWISE:
            said, routes = f"{router!r} said {route!r}", " or ".join(map(repr, node.spec.routes))
            return "" if route in node.spec.routes else f"{said}, not {routes}"
        if router in self._passed_by:
            return f"depends only on what was passed by: {router}"
        return f"{router!r} said {route!r}, which another stage takes" if route in node.others else ""


def _no_further(flight: Flight, attempt: int) -> str:
    """Why there cannot be another try; empty if there can."""
    policy = flight.node.spec.retry
    if policy is None:
        return "it asks for another try, but has no retry policy: add retry=RetryPolicy() to its with_stage"
    if attempt >= policy.max_attempts:
        return f"after {attempt} attempts, which is all that its retry policy allows"
    if flight.context.stream.sent:
        return "another try is impossible, because its consumers have had items of its stream already"
    if any(channel.taken for channel in flight.context.inputs.streams.values()):
        return "another try is impossible, because it has had items of a stream already"
    return ""


def _cause(error: BaseException) -> BaseException:
    """What a failure came of: what was raised, or the one thing that is in a group."""
    found = leaves(error)
    return found[0] if len(found) == 1 else error

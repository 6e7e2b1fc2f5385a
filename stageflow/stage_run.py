"""One stage under way: its attempts, its time, and what its end means for the run."""

import asyncio
import contextvars
import logging
import types
from collections.abc import Coroutine, Generator
from contextlib import nullcontext, suppress
from dataclasses import replace
from math import inf
from random import random
from typing import Any, TypeVar

import anyio

from stageflow.core import StageContext, StageOutput, StageStatus
from stageflow.errors import PipelineCancelled, StageCancelled, StageTimeout, StageUsageError, in_words
from stageflow.graph import Node
from stageflow.interceptors import BroughtDown
from stageflow.run_state import RunState

log = logging.getLogger(__name__)
T = TypeVar("T")
# Each `await` in a `finally`, and each handler that swallows everything, takes one; who has more is dropped.
_THROWS = 100
GRACE_S = 1.0  # how long a cancelled stage may take to end; twenty times what is asked of it
_BY_NOBODY = "CancelledError: raised, though nobody had cancelled it"
_NO_POLICY = "it asks for another try, but has no retry policy: add retry=RetryPolicy() to its with_stage"
_NO_SCOPE = nullcontext()
_CUT_SHORT = StageOutput.fail("it was cancelled")


class Pilot:
    """Drives a coroutine in the task that awaits `drive`, step by step, and can bring it down from outside.

    Cancellation only asks a coroutine to end. Between two steps, an exception that nobody expects is thrown into it,
    until it has ended; only tasks that it has started beside itself, and that ignore cancellation, are out of reach.
    What it sets in a context variable is not seen outside of it.
    """

    task: asyncio.Task[Any] | None = None
    is_bringing_down = False

    def __init__(self, variables: contextvars.Context | None = None) -> None:
        self._variables = variables or contextvars.copy_context()

    def bring_down(self) -> None:
        """End the coroutine whether it wants to or not; the task sees a cancellation."""
        self.is_bringing_down = True
        if self.task is not None:
            self.task.cancel()

    @types.coroutine
    def drive(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> Generator[Any, Any, T]:
        """Await the coroutine, until it returns, raises, or is brought down. The task takes `name`, if given."""
        self.task = task = self.task or asyncio.current_task()
        if name and task is not None:
            task.set_name(name)
        run, advance, value = self._variables.run, coroutine.send, None
        while True:
            try:
                awaited = run(advance, value)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            try:
                value = yield awaited
                advance = coroutine.send
            except BaseException as error:
                if self.is_bringing_down:
                    with suppress(BaseException):  # whatever it ends with
                        for _ in range(_THROWS):
                            run(coroutine.throw, BroughtDown())
                    raise
                advance, value = coroutine.throw, error


class StageRun(Pilot):
    """Runs one stage to its end, whatever that is. The stage's context has it as its `fate`."""

    context: StageContext  # set right after
    instance: Any = None  # of the stage, if that is a class
    _late_at = inf  # when its own limit is exceeded
    _late: StageTimeout | None = None  # once it is
    _scope: anyio.CancelScope | None = None  # of an optional stage, which can be cancelled alone
    _timers: tuple[asyncio.TimerHandle, ...] = ()
    _cause: BaseException | None = None  # what was raised in it

    def __init__(self, node: Node, state: RunState, variables: contextvars.Context) -> None:
        self._node, self._state, self._variables = node, state, variables
        if (limit_s := node.spec.timeout_s) is not None:
            self._late_at = state.loop.time() + limit_s
            self._timers = (state.loop.call_later(limit_s, self.miss_limit),)
        if node.spec.optional:
            self._scope = anyio.CancelScope()

    def is_over(self) -> bool:
        return self._late is not None or self._state.is_over(self._late_at)

    def ending(self) -> Exception:
        """What an interceptor is told when the stage is cut short."""
        if self._late is not None:
            return self._late
        why = self._state.why_cut_short()
        return StageUsageError(_BY_NOBODY) if why is None else StageCancelled(why)

    async def complete(self) -> StageOutput:
        """Run the stage, tell the run what its end means, and end its stream."""
        output = _CUT_SHORT  # as its own scope cuts it, because it is late
        try:
            with self._scope or _NO_SCOPE:
                output = await self.drive(self._attempts(), self._node.name)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # whatever it is ends the run
            output = self.context.completed(self._outcome_of(error))
            if self.is_bringing_down and self._scope and self.task and not self._state.over.is_set():
                self.task.uncancel()  # only the stage was brought down; the task goes on with those after it
        if self._timers or self._late or self._state.deadline_at != inf:
            output = self._checked_time(output)
        return self._concluded(output)

    async def _attempts(self) -> StageOutput:
        """Run the stage until it does not ask for another try, or does not get it."""
        attempt, context, policy = 1, self.context, self._node.spec.retry
        while True:
            try:
                output = await self._node.attempt(context)
            except Exception as error:
                if policy is None or not policy.retries(error):
                    raise
                self._cause = error
                output = context.completed(StageOutput.retry(in_words(error)))
            if output.status is not StageStatus.RETRY:
                return output
            if (why := self._why_no_further(attempt)) or policy is None:
                error_text = f"{output.error or 'it asked for another try'} ({why})"
                return replace(output, status=StageStatus.FAIL, error=error_text)
            wait_s = policy.delay_s(attempt, output.after_s, random())
            told = {"attempt": attempt, "wait_s": wait_s, "error": output.error}
            self._state.tell("stage.retried", self._node, duration_ms=output.duration_ms, **told)
            await anyio.sleep(wait_s)
            attempt += 1
            context.artifacts.clear()  # what a try recorded that came to nothing is forgotten
            context.events.clear()
            self._cause = None

    def _why_no_further(self, attempt: int) -> str:
        """Why there cannot be another try; empty if there can."""
        policy = self._node.spec.retry
        if policy is None:
            return _NO_POLICY
        if attempt >= policy.max_attempts:
            return f"after {attempt} attempts, which is all that its retry policy allows"
        if self.context.stream.sent:
            return "another try is impossible, because its consumers have had items of its stream already"
        if any(channel.taken for channel in self.context.inputs.streams.values()):
            return "another try is impossible, because it has had items of a stream already"
        return ""

    def _outcome_of(self, error: BaseException) -> StageOutput:
        self._cause = error
        if isinstance(error, PipelineCancelled):  # of a graph that the stage has run: its purpose is ours
            return StageOutput.cancel(error.reason, error.data)
        if not isinstance(error, asyncio.CancelledError):
            return StageOutput.fail(in_words(error))
        why = self._state.why_cut_short()
        return StageOutput.fail(_BY_NOBODY) if why is None else StageOutput.cancel(why)

    def miss_limit(self, why: str = "") -> None:
        """The stage has exceeded a time of its own: the run ends, or, if it can do without, the stage alone."""
        if self._state.over.is_set() or self._late is not None:
            return
        why = why or f"it took longer than {self._node.spec.timeout_s:g} s"
        self._late = StageTimeout(self._node.name, why, {}, self._state.results)
        if self._scope is None:
            self._state.decide(self._late)
        else:
            self._scope.cancel()
            self._timers += (self._state.loop.call_later(GRACE_S, self.overstay),)

    def _checked_time(self, output: StageOutput) -> StageOutput:
        """What a stage with a limit comes to: what it has returned too late counts as little as what it swallowed."""
        now_s = self._state.loop.time()
        if now_s > self._state.deadline_at:
            self._state.miss_deadline()
        if now_s > self._late_at:
            self.miss_limit()
        for timer in self._timers:
            timer.cancel()
        return self.context.completed(StageOutput.fail(self._late.reason)) if self._late else output

    def _concluded(self, output: StageOutput) -> StageOutput:
        """The output as the run takes it, which may end by it; the stage's stream ends in any case."""
        name, stream = self._node.name, self.context.stream
        if output.status is StageStatus.FAIL and self._scope and not self._state.over.is_set():
            reason = f"it is optional, and failed: {output.error}"
            output = replace(output, status=StageStatus.SKIP, reason=reason)
        elif output.status is StageStatus.FAIL:
            stream.close(self._state.fail(name, output.error or "", self._cause, output.data))
        elif output.status is StageStatus.CANCEL:
            self._state.decide(PipelineCancelled(name, output.reason or "", output.data, self._state.results))
        stream.close()
        return output

    def overstay(self) -> None:
        """The stage has not ended in its time of grace: say so, and bring it down."""
        log.warning("stage overstays its cancellation", extra={"stage": self._node.name, "grace_s": GRACE_S})
        took_ms = self.context.timer.elapsed_ms() - self.context.began_ms
        self._state.tell("stage.overstayed", self._node, duration_ms=took_ms, grace_s=GRACE_S)
        self.bring_down()

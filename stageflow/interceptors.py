"""What wraps every stage of a graph: the base `Interceptor`, and the built-in ones.

An interceptor is put around each attempt of a stage when the graph is built, and is told of every end, a timeout
and a cancellation, so that it can give back what it has taken. What it raises fails the stage. `TimeoutInterceptor` and
`RetryInterceptor` are kept by the executor: a stage that ignores cancellation would outlast any wrapper.
"""

import asyncio
import inspect
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import anyio

from stageflow.core import AnyStage, StageCall, StageContext, StageOutput, StageStatus
from stageflow.errors import InvalidOutputError, StageCancelled, in_words, leaves
from stageflow.frozen import EMPTY

Routed = Mapping[str, tuple[str, ...]]  # by stage behind a router, the routes it takes; none are all others
LET_GO_S = 0.5  # how long `on_error` may take when the stage was cut short; half of what the executor waits


class BroughtDown(BaseException):
    """Thrown into a stage that does not end by itself; no `Exception` and no cancellation, so nobody expects it."""


CUT_SHORT = (Exception, asyncio.CancelledError, BroughtDown)  # how an attempt may end without an output
log = logging.getLogger(__name__)


class Interceptor:
    """Around each attempt of a stage: `around`, or its simple form, hooks of which one may write only some."""

    priority: int = 0  # the lower, the further out; of the same, the one named first

    async def around(self, stage_name: str, ctx: StageContext, call: StageCall) -> StageOutput:
        """Return what `await call(ctx)` does, or another output. A cancellation is raised in here: let it go on."""
        await self.before(stage_name, ctx)
        try:
            output = await call(ctx)
        except CUT_SHORT as error:
            told = ctx.ending(error)
            with anyio.move_on_after(None if told is error else LET_GO_S, shield=told is not error):
                await self.on_error(stage_name, told, ctx)
            raise
        await self.after(stage_name, output, ctx)
        return output

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        """Called before the stage; raising keeps it from running."""

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        """Called with what the stage returned, whatever its status."""

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        """Called with what the stage raised; or StageTimeout or StageCancelled, with half a second for it then."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a stage that asks for another try, or raises one of `retry_on`, gets it; the wait doubles each time."""

    max_attempts: int = 3
    base_delay_s: float = 0.1
    max_delay_s: float = 5.0
    jitter: float = 0.5  # the share of a delay, 0 to 1, that chance takes off, lest all return together
    retry_on: tuple[type[Exception], ...] = (ConnectionError,)

    def __post_init__(self) -> None:
        kinds: Any = self.retry_on
        delays_fit = 0 <= self.base_delay_s <= self.max_delay_s < inf and 0 <= self.jitter <= 1
        if not (
            self.max_attempts >= 1
            and delays_fit
            and isinstance(kinds, tuple)
            and all(isinstance(one, type) for one in kinds)
        ):
            needs = "max_attempts >= 1, 0 <= base_delay_s <= max_delay_s < inf and 0 <= jitter <= 1"
            raise ValueError(f"{self}: needs {needs}, and retry_on a tuple of classes of exceptions")

    def retries(self, error: Exception) -> bool:
        """Whether what was raised, or everything in a group of it, is worth another try."""
        return all(isinstance(leaf, self.retry_on) for leaf in leaves(error))

    def delay_s(self, attempt: int, after_s: float | None, chance: float) -> float:
        """The wait after attempt number `attempt` (from 1); `chance` is a random number from 0 to 1."""
        if after_s is not None:
            return max(0.0, after_s)
        longest_s = min(self.max_delay_s, self.base_delay_s * 2.0 ** min(attempt - 1, 64))
        return longest_s * (1 - self.jitter * chance)


@dataclass(frozen=True, slots=True)
class TimeoutInterceptor(Interceptor):
    """Gives every stage that has none this `timeout_s`."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class RetryInterceptor(Interceptor):
    """Gives every stage that has none this retry policy."""

    policy: RetryPolicy


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt of a stage on the time line of its run, in milliseconds from the run's start."""

    run_id: str
    stage: str
    start_ms: float
    end_ms: float
    status: StageStatus
    error: str | None = None


class TracingInterceptor(Interceptor):
    """Hands a `Span` to `export` for each attempt, however it ended: the waterfall of a run."""

    def __init__(self, export: Callable[[Span], None], priority: int = 0) -> None:
        self.priority, self._export = priority, export

    async def around(self, stage_name: str, ctx: StageContext, call: StageCall) -> StageOutput:
        """Note the time before and after."""
        start_ms = ctx.timer.elapsed_ms()
        try:
            output = await call(ctx)
            status, why = output.status, output.error
            return output
        except CUT_SHORT as error:
            told = ctx.ending(error)
            status = StageStatus.CANCEL if isinstance(told, StageCancelled) else StageStatus.FAIL
            why = in_words(told)
            raise
        finally:
            run_id, end_ms = str(ctx.snapshot.pipeline_run_id), ctx.timer.elapsed_ms()
            self._export(Span(run_id, stage_name, start_ms, end_ms, status, why))


class MetricsInterceptor(TracingInterceptor):
    """Counts attempts by stage and status, and adds up their time. One for all runs of a process."""

    def __init__(self, priority: int = 0) -> None:
        super().__init__(self._count, priority)
        self.outcomes: Counter[tuple[str, str]] = Counter()  # by stage and status; to raise is "fail"
        self.total_ms: defaultdict[str, float] = defaultdict(float)  # by stage

    def _count(self, span: Span) -> None:
        self.outcomes[span.stage, str(span.status)] += 1
        self.total_ms[span.stage] += span.end_ms - span.start_ms


class LoggingInterceptor(TracingInterceptor):
    """Logs how each attempt ended, with stage, run and duration as fields; what was said of it under `pii.`."""

    def __init__(self, priority: int = 0, level: int = logging.INFO) -> None:
        super().__init__(self._log, priority)
        self._level = level

    def _log(self, span: Span) -> None:
        about = {"stage": span.stage, "run_id": span.run_id, "status": str(span.status)}
        took_ms = span.end_ms - span.start_ms
        log.log(self._level, "stage ended", extra={**about, "duration_ms": took_ms, "pii.error": span.error})


def attempt_of(
    stage: AnyStage, name: str, hooks: Sequence[Interceptor] = (), routed: Routed = EMPTY
) -> StageCall:
    """One attempt of a stage as a function, with all hooks around it; `routed`: who takes which of its routes."""
    is_class, is_function = isinstance(stage, type), not hasattr(stage, "execute")

    async def call(ctx: StageContext) -> StageOutput:
        one: Any = stage
        if is_class:  # its instance is kept for further attempts
            one = getattr(ctx.fate, "instance", None) or one()
            if ctx.fate is not None:
                ctx.fate.instance = one
        output: Any = await (one(ctx) if is_function else one.execute(ctx))
        if not isinstance(output, StageOutput):
            if output is not None and not isinstance(output, Mapping):
                what = f"stage {name!r} returned {output!r} ({type(output).__name__})"
                raise InvalidOutputError(f"{what}: return a StageOutput, a dict, or None")
            output = StageOutput.ok(output)
        if routed and output.status is StageStatus.OK:
            _check_route(name, output.data.get("route"), routed)
        return ctx.completed(output, getattr(one, "version", None))

    wrapped: StageCall = call
    for interceptor in sorted(hooks, key=lambda each: getattr(each, "priority", 0))[::-1]:
        if not isinstance(interceptor, TimeoutInterceptor | RetryInterceptor):
            wrapped = _around(name, wrapped, interceptor)
    return wrapped


def _check_route(name: str, route: object, routed: Routed) -> None:
    """A route that nobody takes would answer nothing, and count as success."""
    if not isinstance(route, str):
        lack = f"stage {name!r} gave no route, which {', '.join(map(repr, routed))} wait for"
        raise InvalidOutputError(f"{lack}: return StageOutput.ok(route=...) with a string")
    taken = [each for routes in routed.values() for each in routes]
    if route not in taken and all(routed.values()):
        known, rest = ", ".join(map(repr, dict.fromkeys(taken))), f"when=({name!r}, OTHERWISE)"
        lack = f"stage {name!r} gave the route {route!r}, which no stage takes; taken are {known}"
        raise InvalidOutputError(f"{lack}: correct it, or add a stage: {rest} takes the rest")


def _around(stage_name: str, call: StageCall, interceptor: Interceptor) -> StageCall:
    around: Any = getattr(interceptor, "around", None) or partial(Interceptor.around, interceptor)

    async def intercepted_call(ctx: StageContext) -> StageOutput:
        output = await around(stage_name, ctx, call)
        if not isinstance(output, StageOutput):
            lack = f"around of {type(interceptor).__name__} returned {output!r}"
            raise InvalidOutputError(f"{lack}: return what `await call(ctx)` gives, or another StageOutput")
        return output

    return intercepted_call


def interceptor_faults(interceptors: Sequence[Any]) -> Iterator[str]:
    """Why these cannot be interceptors, a sentence each."""
    for one in interceptors:
        if isinstance(one, type):
            yield f"interceptor {one.__name__} is a class; give an instance of it"
            continue
        here = f"interceptor {type(one).__name__} has"
        hooks = [hook for hook in ("around", "before", "after", "on_error") if hasattr(one, hook)]
        limit_s, policy = getattr(one, "timeout_s", None), getattr(one, "policy", None)
        sync = [hook for hook in hooks if not inspect.iscoroutinefunction(inspect.unwrap(getattr(one, hook)))]
        if "around" not in hooks and len(hooks) < 3:
            yield f"{here} only {', '.join(hooks) or 'no hook'}; inherit from Interceptor, and write some"
        if sync:
            yield f"{here} a hook that is not async; write `async def {sync[0]}`"
        if isinstance(one, TimeoutInterceptor) and not (isinstance(limit_s, int | float) and limit_s > 0):
            yield f"{here} timeout_s={limit_s!r}; it must be a number of seconds, more than 0"
        if isinstance(one, RetryInterceptor) and not isinstance(policy, RetryPolicy):
            yield f"{here} policy={policy!r}; give a RetryPolicy"
        if not isinstance(priority := getattr(one, "priority", 0), int | float):
            yield f"{here} priority={priority!r}; it must be a number"

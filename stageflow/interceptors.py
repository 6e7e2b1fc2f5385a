"""What wraps every stage of a graph: the `Interceptor` protocol, and the built-in ones.

The hooks of an interceptor are put around each attempt of a stage when the graph is built; the one with the
lowest priority is outermost: first before, last after. An interceptor watches or forbids. What it raises fails
the stage: closed, never open. `TimeoutInterceptor` and `RetryInterceptor` have no hooks: they are defaults, for
stages without a `timeout_s` or `retry` of their own. The executor keeps them, because no wrapper could: a stage
that ignores cancellation would outlast a timeout around it.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from stageflow.core import Stage, StageCall, StageContext, StageOutput, StageStatus
from stageflow.errors import InvalidOutputError

log = logging.getLogger(__name__)


class Interceptor(Protocol):
    """Hooks around each attempt of a stage, of which one may write only some. None is called once it is cancelled."""

    priority: int = 0  # the lower, the further out

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        """Called before the stage; raising keeps it from running."""
        return  # not an abstract method, for type checkers

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        """Called with what the stage returned, whatever its status."""
        return

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        """Called with what the stage, or an interceptor further in, raised; it goes on being raised."""
        return


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a stage that asks for another try gets one; the wait doubles each time, unless it says `after_s`."""

    max_attempts: int = 3
    base_delay_s: float = 0.1
    max_delay_s: float = 5.0
    jitter: float = 0.5  # the share of a delay, 0 to 1, that chance takes off, lest all return together

    def __post_init__(self) -> None:
        delays_fit = 0 <= self.base_delay_s <= self.max_delay_s
        if not (self.max_attempts >= 1 and delays_fit and 0 <= self.jitter <= 1):
            needs = "max_attempts >= 1, 0 <= base_delay_s <= max_delay_s and 0 <= jitter <= 1"
            raise ValueError(f"{self}: needs {needs}")

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
    """Hands a `Span` to `export` for each attempt: the waterfall of a run."""

    def __init__(self, export: Callable[[Span], None], priority: int = 0) -> None:
        self.priority, self._export = priority, export
        self._start_ms: ContextVar[float] = ContextVar("start_ms")

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        self._start_ms.set(ctx.timer.elapsed_ms())

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        run_id, start_ms, end_ms = ctx.snapshot.pipeline_run_id, self._start_ms.get(), ctx.timer.elapsed_ms()
        self._export(Span(str(run_id), stage_name, start_ms, end_ms, output.status, output.error))

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        await self.after(stage_name, StageOutput.fail(f"{type(error).__name__}: {error}"), ctx)


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
        told = {"stage": span.stage, "run_id": span.run_id, "status": str(span.status)}
        took = {"duration_ms": span.end_ms - span.start_ms, "pii.error": span.error}
        log.log(self._level, "stage ended", extra={**told, **took})


def attempt_of(
    stage: Stage | type[Stage], name: str, hooks: Sequence[Interceptor] = (), routed: Sequence[str] = ()
) -> StageCall:
    """One attempt of a stage as a function, with all hooks around it; `routed` wait for its route."""

    async def call(ctx: StageContext) -> StageOutput:
        one = stage() if isinstance(stage, type) else stage
        output: Any = await one.execute(ctx)
        if not isinstance(output, StageOutput):
            if output is not None and not isinstance(output, Mapping):
                what = f"stage {name!r} returned {output!r} ({type(output).__name__})"
                raise InvalidOutputError(f"{what}: return a StageOutput, a dict, or None")
            output = StageOutput.ok(output)
        if routed and output.status is StageStatus.OK and not isinstance(output.data.get("route"), str):
            lack = f"stage {name!r} gave no route, which {', '.join(map(repr, routed))} wait for"
            raise InvalidOutputError(f"{lack}: return StageOutput.ok(route=...) with a string")
        return ctx.completed(output, getattr(one, "version", None))

    wrapped: StageCall = call
    for interceptor in sorted(hooks, key=lambda each: each.priority, reverse=True):
        wrapped = _around(name, wrapped, interceptor)
    return wrapped


def _around(stage_name: str, call: StageCall, interceptor: Interceptor) -> StageCall:
    async def intercepted_call(ctx: StageContext) -> StageOutput:
        await interceptor.before(stage_name, ctx)
        try:
            output = await call(ctx)
        except Exception as error:
            await interceptor.on_error(stage_name, error, ctx)
            raise
        await interceptor.after(stage_name, output, ctx)
        return output

    return intercepted_call

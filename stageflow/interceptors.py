"""What wraps every stage of a graph: the `Interceptor` protocol, and the built-in ones.

The hooks of an interceptor are put around each attempt of a stage when the graph is built; the one with the
lowest priority is outermost: first before, last after. An interceptor watches or forbids. What it raises fails
the stage: closed, never open.

`TimeoutInterceptor` and `RetryInterceptor` have no hooks: they are defaults, for all stages that do not have a
`timeout_s` or `retry` of their own. The executor keeps them, because no wrapper could: a stage that ignores
cancellation would outlast a timeout around it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from stageflow.core import Stage, StageContext, StageOutput, StageStatus
from stageflow.errors import InvalidOutputError

log = logging.getLogger(__name__)

StageCall = Callable[[StageContext], Coroutine[Any, Any, StageOutput]]


class Interceptor(Protocol):
    """Hooks around each attempt of each stage. When the stage is cancelled, no further hook is called."""

    @property
    def priority(self) -> int:
        """The lower, the further out."""

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        """Called before the stage; raising keeps it from running."""

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        """Called with what the stage returned, whatever its status."""

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        """Called with what the stage, or an interceptor further in, raised; it goes on being raised."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a stage that asks for another try gets one, and how long it waits between.

    Exponential back-off with a random share taken off ("jitter"), so that those who failed together do not
    come back together. A stage that says `after_s` is obeyed.
    """

    max_attempts: int = 3
    base_delay_s: float = 0.1
    max_delay_s: float = 5.0
    jitter: float = 0.5
    """The share of the delay, 0 to 1, that chance decides."""

    def __post_init__(self) -> None:
        if (
            self.max_attempts < 1
            or not 0 <= self.base_delay_s <= self.max_delay_s
            or not 0 <= self.jitter <= 1
        ):
            raise ValueError(
                f"{self}: needs max_attempts >= 1, 0 <= base_delay_s <= max_delay_s and 0 <= jitter <= 1"
            )

    def delay_s(self, attempt: int, after_s: float | None, chance: float) -> float:
        """The wait after attempt number `attempt` (from 1); `chance` is a random number from 0 to 1."""
        if after_s is not None:
            return max(0.0, after_s)
        longest_s = min(self.max_delay_s, self.base_delay_s * 2.0 ** min(attempt - 1, 64))
        return longest_s * (1 - self.jitter * chance)


@dataclass(frozen=True, slots=True)
class TimeoutInterceptor:
    """Gives every stage that has none this `timeout_s`."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class RetryInterceptor:
    """Gives every stage that has none this retry policy."""

    policy: RetryPolicy


@dataclass(frozen=True, slots=True)
class LoggingInterceptor:
    """Logs how each attempt ended, with stage, run and duration as fields; error texts under `pii.`."""

    priority: int = 0
    level: int = logging.INFO

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        """Nothing to say yet."""

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        """Log how the stage ended."""
        fields = {"status": str(output.status), "duration_ms": output.duration_ms}
        log.log(self.level, "stage ended", extra=_fields(stage_name, ctx) | fields)

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        """Log what the stage raised."""
        fields = {"error_type": type(error).__name__, "pii.error": str(error)}
        log.error("stage raised", extra=_fields(stage_name, ctx) | fields)


@dataclass(frozen=True, slots=True)
class MetricsInterceptor:
    """Counts attempts by stage and outcome, and adds up their time. One for all runs of a process."""

    priority: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By stage and status, `"raised"` among them."""
    total_ms: Counter[str] = field(default_factory=Counter)
    """By stage; of attempts that returned."""

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        """Nothing to count yet."""

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        """Count how the stage ended."""
        self.outcomes[stage_name, str(output.status)] += 1
        self.total_ms[stage_name] += output.duration_ms  # type: ignore[assignment]  # counts may be floats

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        """Count that the stage raised."""
        self.outcomes[stage_name, "raised"] += 1


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt of a stage on the time line of its run, in milliseconds from the run's start."""

    run_id: str
    stage: str
    start_ms: float
    end_ms: float
    status: StageStatus
    error: str | None = None


_span_start_ms: ContextVar[float] = ContextVar("span_start_ms")


@dataclass(frozen=True, slots=True)
class TracingInterceptor:
    """Hands a `Span` to `export` for each attempt: the waterfall of a run."""

    export: Callable[[Span], None]
    priority: int = 0

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        """Begin a span."""
        _span_start_ms.set(ctx.timer.elapsed_ms())

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        """End the span."""
        self._end(stage_name, ctx, output.status, output.error)

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        """End the span with the error."""
        self._end(stage_name, ctx, StageStatus.FAIL, f"{type(error).__name__}: {error}")

    def _end(self, stage_name: str, ctx: StageContext, status: StageStatus, error: str | None) -> None:
        start_ms, end_ms = _span_start_ms.get(0.0), ctx.timer.elapsed_ms()
        self.export(Span(str(ctx.snapshot.pipeline_run_id), stage_name, start_ms, end_ms, status, error))


def _fields(stage_name: str, ctx: StageContext) -> dict[str, object]:
    return {"stage": stage_name, "run_id": str(ctx.snapshot.pipeline_run_id)}


def attempt_call(name: str, stage: Stage | type[Stage], interceptors: Sequence[Interceptor]) -> StageCall:
    """One attempt of a stage as a function, with the hooks of all interceptors around it.

    A class is instantiated for each attempt, an instance is shared. What comes back is a StageOutput with all
    that the context recorded; anything that is none raises InvalidOutputError.
    """

    async def call(ctx: StageContext) -> StageOutput:
        began_ms = ctx.timer.elapsed_ms()
        one = stage() if isinstance(stage, type) else stage
        output = _as_output(name, await one.execute(ctx))
        recording = ctx.recording
        return StageOutput(
            output.status,
            output.data,
            output.artifacts + recording.artifacts,
            output.events + recording.events,
            output.error,
            ctx.timer.elapsed_ms() - began_ms,
            output.version or getattr(one, "version", None),
            output.reason,
            output.after_s,
        )

    wrapped: StageCall = call
    for interceptor in sorted(interceptors, key=lambda each: each.priority, reverse=True):
        wrapped = _around(name, wrapped, interceptor)
    return wrapped


def _as_output(name: str, returned: object) -> StageOutput:
    if isinstance(returned, StageOutput):
        return returned
    if returned is None or isinstance(returned, dict):
        return StageOutput.ok(returned)
    raise InvalidOutputError(
        f"stage {name!r} returned {returned!r} ({type(returned).__name__}): return a StageOutput, "
        f"a dict, or None"
    )


def _around(stage_name: str, call: StageCall, interceptor: Interceptor) -> StageCall:
    async def intercepted_call(ctx: StageContext) -> StageOutput:
        try:
            await interceptor.before(stage_name, ctx)
            output = await call(ctx)
            await interceptor.after(stage_name, output, ctx)
        except Exception as error:
            await interceptor.on_error(stage_name, error, ctx)
            raise
        return output

    return intercepted_call

"""What a stage is and says: `Stage`, its kind, its output, and the context it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, Self

import anyio.lowlevel

from stageflow.context import ContextSnapshot

if TYPE_CHECKING:
    from stageflow.stages.inputs import StageInputs
    from stageflow.stages.ports import StagePorts
    from stageflow.streams import StreamWriter


class StageKind(StrEnum):
    """What a stage is for."""

    TRANSFORM = "transform"
    ENRICH = "enrich"
    ROUTE = "route"
    GUARD = "guard"
    WORK = "work"
    AGENT = "agent"


class StageStatus(StrEnum):
    """How a stage ended."""

    OK = "ok"
    SKIP = "skip"
    CANCEL = "cancel"
    FAIL = "fail"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class StageArtifact:
    """Something for people or files that a stage made beside its data."""

    type: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Something that happened: a stage's own event, or one of the run's life."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What a stage gives back. Made by `ok`, `skip`, `cancel`, `fail` and `retry`."""

    status: StageStatus
    data: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[StageArtifact, ...] = ()
    events: tuple[StageEvent, ...] = ()
    error: str | None = None
    duration_ms: float = 0.0
    version: str | None = None
    after_s: float | None = None

    @classmethod
    def ok(cls, data: Mapping[str, Any] | None = None, /, **values: Any) -> Self:
        """Success; `data` and the keywords are merged, artifacts and events of their types go to their fields."""
        merged = {**(data or {}), **values}
        artifacts = _taken(merged, "artifacts", StageArtifact)
        events = _taken(merged, "events", StageEvent)
        return cls(StageStatus.OK, merged, artifacts, events)

    @classmethod
    def skip(cls, reason: str = "", data: Mapping[str, Any] | None = None) -> Self:
        """Nothing to do; not an error."""
        return cls(StageStatus.SKIP, {**(data or {}), "reason": reason})

    @classmethod
    def cancel(cls, reason: str = "", data: Mapping[str, Any] | None = None) -> Self:
        """Stop the whole run on purpose; not an error."""
        return cls(StageStatus.CANCEL, {**(data or {}), "reason": reason})

    @classmethod
    def fail(cls, error: str = "", data: Mapping[str, Any] | None = None) -> Self:
        """The stage failed, and with it the run."""
        return cls(StageStatus.FAIL, dict(data or {}), error=error)

    @classmethod
    def retry(
        cls, error: str = "", data: Mapping[str, Any] | None = None, after_s: float | None = None
    ) -> Self:
        """Another try may succeed, after `after_s` seconds if given."""
        return cls(StageStatus.RETRY, dict(data or {}), error=error, after_s=after_s)

    def recorded(self, artifacts: list[StageArtifact], events: list[StageEvent], duration_ms: float) -> Self:
        """The same output with what the context recorded meanwhile."""
        return replace(
            self,
            artifacts=(*self.artifacts, *artifacts),
            events=(*self.events, *events),
            duration_ms=duration_ms,
        )


def _taken(values: dict[str, Any], key: str, kind: type) -> tuple[Any, ...]:
    given = values.get(key)
    if isinstance(given, list | tuple) and given and all(isinstance(item, kind) for item in given):
        return tuple(values.pop(key))
    return ()


class PipelineTimer:
    """Milliseconds since it was made, by a monotonic clock."""

    __slots__ = ("_started",)

    def __init__(self) -> None:
        self._started = monotonic()

    def elapsed_ms(self) -> float:
        """Milliseconds since then."""
        return (monotonic() - self._started) * 1000


def _ignored(event: StageEvent) -> None:
    return None


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage is given: the facts of the run, upstream results, services and ways to speak."""

    snapshot: ContextSnapshot
    inputs: "StageInputs" = None  # type: ignore[assignment]  # the executor always gives them
    stage_name: str = ""
    timer: PipelineTimer = field(default_factory=PipelineTimer)
    config: Mapping[str, Any] = field(default_factory=dict)
    stream: "StreamWriter" = None  # type: ignore[assignment]  # the executor always gives one
    emit: Callable[[StageEvent], None] = _ignored
    artifacts: list[StageArtifact] = field(default_factory=list)
    events: list[StageEvent] = field(default_factory=list)

    @property
    def ports(self) -> "StagePorts":
        """The run's services."""
        return self.inputs.ports

    def emit_event(self, type: str, data: Mapping[str, Any] | None = None) -> None:
        """Record an event in the stage's output, and show it to the run's sink at once."""
        event = StageEvent(type, dict(data or {}))
        self.events.append(event)
        self.emit(event)

    def add_artifact(self, type: str, payload: Mapping[str, Any]) -> None:
        """Record an artifact in the stage's output."""
        self.artifacts.append(StageArtifact(type, payload))

    @property
    def is_cancelled(self) -> bool:
        """Whether the run is being cancelled; the next await will say so too."""
        return anyio.get_current_task().has_pending_cancellation()

    async def checkpoint(self) -> None:
        """Let others run, and end here if the run was cancelled."""
        await anyio.lowlevel.checkpoint()


class Stage(Protocol):
    """A step of a pipeline."""

    name: str
    kind: StageKind

    async def execute(self, ctx: StageContext) -> StageOutput | Mapping[str, Any] | None:
        """Do the work. A dict counts as `ok`, None as `ok` without data."""

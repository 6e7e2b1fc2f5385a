"""What a stage is: `Stage`, its kind, and the context that it is given."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

import anyio.lowlevel

from stageflow.context import ContextSnapshot
from stageflow.context import PipelineTimer as PipelineTimer
from stageflow.errors import StageCancelled, StageUsageError
from stageflow.events import Data, show
from stageflow.events import StageEvent as StageEvent
from stageflow.frozen import EMPTY
from stageflow.output import StageArtifact as StageArtifact
from stageflow.output import StageOutput as StageOutput
from stageflow.output import StageStatus as StageStatus
from stageflow.stages.inputs import StageInputs, create_stage_inputs
from stageflow.stages.services import HOLDERS, StagePorts
from stageflow.streams import StreamWriter


class StageKind(StrEnum):
    """What a stage is for."""

    TRANSFORM = "transform"
    ENRICH = "enrich"
    ROUTE = "route"
    GUARD = "guard"
    WORK = "work"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage is given: the facts of the run, upstream results, services and ways to speak."""

    snapshot: ContextSnapshot
    inputs: StageInputs = None  # type: ignore[assignment]  # those of `config`, or made, if not given
    stage_name: str = ""
    # The run's configuration and the stage's, which wins; with `inputs`, `timer` and `event_sink` in it.
    config: Data = field(default_factory=dict)
    stream: StreamWriter = field(default_factory=StreamWriter)  # where a stage that streams sends its items
    began_ms: float = 0.0  # by the timer
    artifacts: list[StageArtifact] = field(default_factory=list)  # what the stage has recorded so far
    events: list[StageEvent] = field(default_factory=list)
    fate: Any = None  # the stage under way, as its executor knows it; None without one
    timer: PipelineTimer = field(init=False)  # the run's
    ports: StagePorts = field(init=False)  # the run's services; one that was not given is None

    def __post_init__(self) -> None:
        config = dict(self.config)
        given: Any = self.inputs
        config["inputs"] = inputs = given or config.get("inputs") or create_stage_inputs(self.snapshot)
        config["timer"] = timer = config.get("timer") or PipelineTimer()
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "ports", inputs.ports)
        object.__setattr__(self, "timer", timer)
        object.__setattr__(self, "config", MappingProxyType(config))

    def require_port(self, name: str) -> Any:
        """A service that the stage cannot do without. Raises StageUsageError."""
        if (service := getattr(self.ports, name)) is None:
            lack = f"stage {self.stage_name!r} needs the port {name!r}, which the run was not given"
            holder = HOLDERS[name].__name__ if name in HOLDERS else "StagePorts"
            remedy = f"run the pipeline with ports={holder}({name}=...)"
            raise StageUsageError(f"{lack}: {remedy}")
        return service

    def emit_event(self, type: str, data: Data | None = None) -> None:
        """Record an event in the stage's output, and show it to the run's sink at once."""
        run_id, at_ms = str(self.snapshot.pipeline_run_id), self.timer.elapsed_ms()
        self.events.append(StageEvent(type, data or EMPTY, run_id, self.stage_name, at_ms))
        show(self.config.get("event_sink"), self.events[-1])

    def add_artifact(self, type: str, payload: Any = None) -> None:
        """Record an artifact in the stage's output."""
        self.artifacts.append(StageArtifact(type, payload))

    def completed(self, output: StageOutput, version: str | None = None) -> StageOutput:
        """The output with what was recorded here, and how long the stage took."""
        artifacts, events = (*output.artifacts, *self.artifacts), (*output.events, *self.events)
        took_ms, version = self.timer.elapsed_ms() - self.began_ms, output.version or version
        rest = (output.error, took_ms, version, output.reason, output.after_s)
        # By position: every stage comes by here, and `replace` takes a microsecond.
        return StageOutput(output.status, output.data, artifacts, events, *rest)

    @property
    def is_cancelled(self) -> bool:
        """Whether the run is cancelled or late, for a stage that computes for long; in a worker thread too."""
        if self.fate is not None and self.fate.is_over():
            return True
        try:
            return anyio.current_effective_deadline() <= anyio.current_time()
        except RuntimeError:  # in a thread, which has no cancel scopes
            return False

    def ending(self, error: BaseException) -> Exception:
        """What ended the stage: what was raised in it, or why it was cancelled."""
        if isinstance(error, Exception):
            return error
        return StageCancelled("it was cancelled") if self.fate is None else self.fate.ending()

    async def checkpoint(self) -> None:
        """Let others run, and end here if the run has been cancelled."""
        await anyio.lowlevel.checkpoint()


Returned = StageOutput | Mapping[str, Any] | None


class Executes(Protocol):
    """The least that a stage is: `name` and `kind` may be said where it is added."""

    def execute(self, ctx: StageContext, /) -> Awaitable[Returned]:
        """Do the work. A dict counts as `ok`, None as `ok` without data.

        Must end within 50 ms of being cancelled, so await in cleanup only under a shielded scope with a deadline.
        """


class Stage(Executes, Protocol):
    """A step of a pipeline."""

    name: str
    kind: StageKind


# Whatever can be added to a pipeline: an object, its class, or an async function of the context.
AnyStage = Executes | type[Executes] | Callable[[StageContext], Awaitable[Returned]]
StageCall = Callable[[StageContext], Coroutine[Any, Any, StageOutput]]  # one attempt of a stage, as it is run

"""The builder: a few calls that end in a graph that runs, or in one error that names every fault."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stageflow.context import ContextSnapshot
from stageflow.core import Stage, StageContext, StageKind
from stageflow.errors import DeadlineExceeded as DeadlineExceeded
from stageflow.errors import PipelineBuildError as PipelineBuildError
from stageflow.errors import PipelineCancelled as PipelineCancelled
from stageflow.errors import StageFailed as StageFailed
from stageflow.errors import StageTimeout as StageTimeout
from stageflow.events import EventSink
from stageflow.executor import Run
from stageflow.faults import faults
from stageflow.graph import Node, nodes
from stageflow.graph import PipelineResults as PipelineResults
from stageflow.graph import StageSpec as StageSpec
from stageflow.interceptors import Interceptor, RetryPolicy
from stageflow.stages.ports import Ports, StagePorts


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages on their way to become a graph. Immutable: every call returns a new one."""

    stages: tuple[StageSpec, ...] = ()  # as they were added

    def with_stage(
        self,
        name: str,
        stage: Stage | type[Stage],
        kind: StageKind | None = None,
        dependencies: Sequence[str] = (),
        *,
        streams: Sequence[str] = (),
        when: tuple[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> "Pipeline":
        """Add a stage: a class is instantiated for each attempt, an instance is shared by all runs.

        It starts when all `dependencies` have ended and all of `streams`, whose items it reads as they are sent, have
        started. With `when=("router", "support")` it runs only if the ROUTE stage "router" said `route="support"`.
        `kind` may be left out if the stage has one. `timeout_s` spans all its attempts.
        """
        kind = kind or getattr(stage, "kind", None)
        edges = ([names] if isinstance(names, str) else names for names in (dependencies, streams))
        needs, reads = (tuple(dict.fromkeys(names)) for names in edges)  # a lone string is one name
        spec = StageSpec(name, stage, kind, needs, reads, when, dict(config or {}), timeout_s, retry)  # type: ignore[arg-type]  # without a kind, build says so
        return Pipeline((*self.stages, spec))

    def compose(self, other: "Pipeline") -> "Pipeline":
        """The stages of both; edges between them are made by naming stages of the other."""
        return Pipeline((*self.stages, *other.stages))

    def build(self, *, interceptors: Iterable[Interceptor] = ()) -> "PipelineGraph":
        """The graph, with the interceptors around each stage. Raises PipelineBuildError with every fault."""
        if found := list(faults(self.stages)):
            raise PipelineBuildError(found)
        return PipelineGraph(nodes(self.stages, tuple(interceptors)))

    async def run(
        self,
        snapshot: ContextSnapshot | None = None,
        *,
        input_text: str | None = None,
        ports: Ports = None,
        event_sink: EventSink | None = None,
    ) -> PipelineResults:
        """Build and run once, for the small case; whoever wants more builds once and runs the graph."""
        facts = ContextSnapshot(input_text=input_text) if snapshot is None else snapshot
        return await self.build().run(facts, ports=ports, event_sink=event_sink)


@dataclass(frozen=True, slots=True, eq=False)
class PipelineGraph:
    """A pipeline that can run, any number of times at once: it holds no state of a run."""

    _nodes: dict[str, Node]

    @property
    def stages(self) -> tuple[StageSpec, ...]:
        """In topological order; among equals, in the order of declaration."""
        return tuple(node.spec for node in self._nodes.values())

    async def run(
        self,
        snapshot: ContextSnapshot | StageContext,
        *,
        ports: Ports = None,
        config: Mapping[str, Any] | None = None,
        event_sink: EventSink | None = None,
        deadline_s: float | None = None,
    ) -> PipelineResults:
        """Run every stage and return their outputs. A StageContext gives its snapshot, config and ports.

        Raises PipelineCancelled, StageFailed, StageTimeout or DeadlineExceeded, with the partial results. Cancel-safe:
        however this ends, nothing of the run is left; who is cancelled and does not end in a second is brought down.
        """
        if isinstance(snapshot, StageContext):
            config = {**snapshot.config, **(config or {})}
            ports = snapshot.ports if ports is None else ports
            snapshot = snapshot.snapshot
        config = {**(config or {}), "event_sink": event_sink}
        return await Run(self._nodes, snapshot, StagePorts.of(ports), config).complete(deadline_s)

"""The builder: a few calls that end in a graph that runs, or in one error that names every fault."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stageflow.context import ContextSnapshot
from stageflow.core import Stage, StageContext, StageKind
from stageflow.errors import (
    DeadlineExceeded,
    PipelineBuildError,
    PipelineCancelled,
    StageFailed,
    StageTimeout,
)
from stageflow.events import EventSink
from stageflow.executor import Run
from stageflow.graph import (
    STREAMING_KINDS,
    Node,
    PipelineResults,
    StageSpec,
    faults,
    settled,
    topological,
    visible,
)
from stageflow.interceptors import (
    Interceptor,
    RetryInterceptor,
    RetryPolicy,
    TimeoutInterceptor,
    attempt_call,
)
from stageflow.stages.ports import Ports, StagePorts

__all__ = [
    "DeadlineExceeded",
    "Pipeline",
    "PipelineBuildError",
    "PipelineCancelled",
    "PipelineGraph",
    "PipelineResults",
    "StageFailed",
    "StageSpec",
    "StageTimeout",
]

_REFUSAL = "stage {!r} sends into its stream, but is of kind {}: make it a TRANSFORM, ENRICH or AGENT"

AnyInterceptor = Interceptor | TimeoutInterceptor | RetryInterceptor


class Pipeline:
    """Stages on their way to become a graph. Immutable: every call returns a new one."""

    __slots__ = ("_specs",)

    def __init__(self, specs: Sequence[StageSpec] = ()) -> None:
        self._specs = tuple(specs)

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

        It starts when all `dependencies` have ended and all of `streams`, whose items it reads as they are
        sent, have started. With `when=("router", "support")` it runs only if the ROUTE stage "router" said
        `route="support"`. `kind` may be left out if the stage has one. `timeout_s` spans all its attempts.
        """
        spec = StageSpec(
            name,
            stage,
            getattr(stage, "kind", None) if kind is None else kind,  # type: ignore[arg-type]  # build says so
            _names(dependencies),
            _names(streams),
            when,
            dict(config or {}),
            timeout_s,
            retry,
        )
        return Pipeline((*self._specs, spec))

    def compose(self, other: "Pipeline") -> "Pipeline":
        """The stages of both; edges between them are made by naming stages of the other."""
        return Pipeline((*self._specs, *other._specs))  # noqa: SLF001  # another of the same class

    def build(self, *, interceptors: Iterable[AnyInterceptor] = ()) -> "PipelineGraph":
        """The graph, with the interceptors around each stage. Raises PipelineBuildError with every fault."""
        return PipelineGraph(self._specs, interceptors)

    async def run(
        self,
        snapshot: ContextSnapshot | None = None,
        *,
        input_text: str | None = None,
        ports: Ports = None,
        config: Mapping[str, Any] | None = None,
        event_sink: EventSink | None = None,
        deadline_s: float | None = None,
    ) -> PipelineResults:
        """Build and run once, for the small case; whoever runs often builds once and runs the graph."""
        facts = ContextSnapshot(input_text=input_text) if snapshot is None else snapshot
        return await self.build().run(
            facts, ports=ports, config=config, event_sink=event_sink, deadline_s=deadline_s
        )


class PipelineGraph:
    """A pipeline that can run, any number of times at once: it holds no state of a run."""

    __slots__ = ("_nodes", "stages")

    def __init__(self, specs: Sequence[StageSpec], interceptors: Iterable[AnyInterceptor] = ()) -> None:
        """Raises PipelineBuildError with every fault."""
        if found := faults(specs):
            raise PipelineBuildError(found)
        self.stages = topological(specs)
        """The stages in topological order; among equals, in the order of declaration."""
        self._nodes = _nodes(specs, self.stages, tuple(interceptors))

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

        Raises PipelineCancelled, StageFailed, StageTimeout or DeadlineExceeded, with the partial results.
        Cancel-safe: when this returns, raises, or is cancelled, nothing of the run is left; who does not end
        within a second of being cancelled is brought down.
        """
        if isinstance(snapshot, StageContext):
            config = {**snapshot.config, **(config or {})}
            ports = snapshot.ports if ports is None else ports
            snapshot = snapshot.snapshot
        run = Run(self._nodes, snapshot, StagePorts.of(ports), config or {}, event_sink)
        return await run.complete(deadline_s)


def _names(names: Sequence[str]) -> tuple[str, ...]:
    """Each name once; a lone string is one name, not a sequence of letters."""
    return tuple(dict.fromkeys([names] if isinstance(names, str) else names))


def _nodes(
    specs: Sequence[StageSpec], order: Sequence[StageSpec], interceptors: Sequence[AnyInterceptor]
) -> tuple[Node, ...]:
    hooks = [one for one in interceptors if not isinstance(one, TimeoutInterceptor | RetryInterceptor)]
    timeout_s = next((one.timeout_s for one in interceptors if isinstance(one, TimeoutInterceptor)), None)
    retry = next((one.policy for one in interceptors if isinstance(one, RetryInterceptor)), None)
    before = settled(order)
    nodes: dict[str, Node] = {}
    for index, spec in reversed(list(enumerate(order))):  # backwards, so that followers are there already
        name = spec.name
        nodes[name] = Node(
            index,
            spec,
            spec.needs,
            attempt_call(name, spec.stage, hooks),
            visible(spec, specs, before[name]),
            timeout_s if spec.timeout_s is None else spec.timeout_s,
            spec.retry or retry,
            tuple(nodes[other.name] for other in order if name in other.dependencies),
            tuple(nodes[other.name] for other in order if name in other.streams),
            tuple(other.name for other in order if other.when is not None and other.when[0] == name),
            "" if spec.kind in STREAMING_KINDS else _REFUSAL.format(name, spec.kind),
        )
    return tuple(reversed(nodes.values()))

"""The builder: a few calls that end in a graph that runs, or in one error that names every fault.

A stage's code calls the stages that it reads by name. Where an edit puts another stage in one's place, the name goes
on being answered: an alias says by which stages, in which order.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from stageflow.context import ContextSnapshot
from stageflow.core import AnyStage, StageContext, StageKind
from stageflow.errors import DeadlineExceeded as DeadlineExceeded
from stageflow.errors import PipelineBuildError as PipelineBuildError
from stageflow.errors import PipelineCancelled as PipelineCancelled
from stageflow.errors import StageFailed as StageFailed
from stageflow.errors import StageTimeout as StageTimeout
from stageflow.errors import StageUsageError
from stageflow.events import EventSink, checked_sink
from stageflow.executor import OnEnd, Run
from stageflow.faults import FILLED, faults
from stageflow.frozen import FrozenDict, freeze_items
from stageflow.graph import OTHERWISE as OTHERWISE
from stageflow.graph import Node, When, mermaid, nodes
from stageflow.graph import PipelineResults as PipelineResults
from stageflow.graph import StageSpec as StageSpec
from stageflow.interceptors import RetryPolicy
from stageflow.stages.ports import Ports, StagePorts

# Names of stages; or a mapping from the name that the stage's code uses to the stage that answers.
Edges = str | Sequence[str] | Mapping[str, str]
Names = Mapping[str, tuple[str, ...]]  # names to be put in the place of a name


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages on their way to become a graph. Immutable: every call returns a new one."""

    stages: tuple[StageSpec, ...] = ()  # as they were added

    def with_stage(
        self, name: str, stage: AnyStage, kind: StageKind | None = None, dependencies: Edges = (), *,
        streams: Edges = (), when: When | None = None, config: Mapping[str, Any] | None = None,
        timeout_s: float | None = None, retry: RetryPolicy | None = None, optional: bool = False,
        capacity: int | None = None,
    ) -> "Pipeline":  # fmt: skip
        """Add a stage: a class is instantiated once a run, an instance is shared by all runs; or an async function.

        It starts when all `dependencies` have ended and all of `streams`, whose items it reads as they are sent, have
        started. With `when=("router", "support")` it runs only if the ROUTE stage "router" said `route="support"`;
        with several routes, if it said one of them; with OTHERWISE, if no other stage takes what it said.
        `kind` wins over the stage's own, and may be left out if it has one; a function is a TRANSFORM. `timeout_s`
        spans all its attempts. The failure of an `optional` stage is a skip. `capacity` is how many items its
        streams hold. Edges may be a mapping: from the name that the stage's code uses to the stage that answers.
        """
        own = getattr(stage, "kind", None if hasattr(stage, "execute") else StageKind.TRANSFORM)
        items: Mapping[str, Any] = dict(config or {})
        with suppress(StageUsageError):  # build says so, with all else
            items = freeze_items(items, StageUsageError, "its config")
        rest = (when, items, timeout_s, retry, optional, capacity)
        spec = StageSpec(name, stage, kind or own, (), (), *rest)  # type: ignore[arg-type]  # without a kind, build says so
        return Pipeline((*self.stages, _rewired(spec, dependencies, streams)))

    def compose(self, other: "Pipeline", prefix: str = "") -> "Pipeline":
        """The stages of both; `prefix` is put before the names of the other's, whose code goes on using the old."""
        new, made = {spec.name: (f"{prefix}{spec.name}",) for spec in other.stages}, []
        for spec in other.stages if prefix else ():
            aliases = new | {called: _in_place(answers, new) for called, answers in spec.aliases.items()}
            edited = _edited(spec, aliases, _in_place(spec.dependencies, new), _in_place(spec.streams, new))
            when: Any = (*_in_place(spec.when[:1], new), spec.when[1]) if spec.when else None
            made.append(replace(edited, name=new[spec.name][0], when=when))
        return Pipeline((*self.stages, *(made or other.stages)))

    def replace(self, name: str, stage: AnyStage) -> "Pipeline":
        """Another stage in the place of one: all its edges and settings stay. Raises PipelineBuildError."""
        spec = self._spec(name)
        is_own = getattr(spec.stage, "kind", None) is spec.kind
        kind = getattr(stage, "kind", spec.kind) if is_own else spec.kind  # what was given stays
        return self._with(replace(spec, stage=stage, kind=kind))

    def without(self, name: str) -> "Pipeline":
        """The pipeline without a stage; who needed it needs what it needed instead. Raises PipelineBuildError."""
        gone, made = self._spec(name), []
        streamed, through = {name: gone.streams}, {name: gone.needs}
        for spec in self.stages:
            if spec.name == name:
                continue
            streams, dependencies = _in_place(spec.streams, streamed), _in_place(spec.dependencies, through)
            if name in spec.streams:
                dependencies = _in_place((*dependencies, *gone.dependencies), {})
            aliases = {called: _in_place(answers, through) for called, answers in spec.aliases.items()}
            if name in spec.needs:
                aliases.setdefault(
                    name, gone.streams if name in spec.streams and gone.streams else gone.needs
                )
            made.append(_edited(spec, aliases, [one for one in dependencies if one not in streams], streams))
        return Pipeline(tuple(made))

    def insert(
        self, name: str, stage: AnyStage, between: tuple[str, str], kind: StageKind | None = None, **settings: Any
    ) -> "Pipeline":  # fmt: skip
        """Add a stage on the edge `between` two, whatever its sort: it gets what the second got, and answers for it.

        On a stream edge it reads the first one's stream, and the second reads its. The second one's code goes on
        asking for the first: it is given what the new stage has, and of what that has not, the first one's.
        `settings` are those of `with_stage`. Raises PipelineBuildError.
        """
        before, after = self._spec(between[0]), self._spec(between[1])
        if before.name not in after.needs:
            raise PipelineBuildError([f"there is no edge from {before.name!r} to {after.name!r}"])
        edge = "dependencies" if before.name in after.dependencies else "streams"
        edges: dict[str, Any] = {edge: (before.name,), **settings}
        added = Pipeline().with_stage(name, stage, kind, **edges).stages[0]
        aliases = {before.name: (before.name,), **after.aliases}
        aliases = {
            called: (name, *them) if them[0] == before.name else them for called, them in aliases.items()
        }
        new, at = {before.name: (name,)}, self.stages.index(after)
        edited = _edited(after, aliases, _in_place(after.dependencies, new), _in_place(after.streams, new))
        return Pipeline((*self.stages[:at], added, edited, *self.stages[at + 1 :]))

    def rewire(
        self, name: str, dependencies: Edges | None = None, *, streams: Edges | None = None,
        when: When | str | None = "as it was",
    ) -> "Pipeline":  # fmt: skip
        """Give a stage other edges; what is left out stays as it was. Raises PipelineBuildError."""
        spec = _rewired(self._spec(name), dependencies, streams)
        return self._with(spec if isinstance(when, str) else replace(spec, when=when))

    def _spec(self, name: str) -> StageSpec:
        found = next((spec for spec in self.stages if spec.name == name), None)
        if found is None:
            known = ", ".join(repr(spec.name) for spec in self.stages) or "none"
            raise PipelineBuildError([f"there is no stage {name!r} in the pipeline; there are: {known}"])
        return found

    def _with(self, changed: StageSpec) -> "Pipeline":
        return Pipeline(tuple(changed if spec.name == changed.name else spec for spec in self.stages))

    def build(self, *, interceptors: Iterable[Any] = ()) -> "PipelineGraph":
        """The graph, with the interceptors around each stage. Raises PipelineBuildError with every fault."""
        around = tuple(interceptors)
        if found := list(faults(self.stages, around)):
            raise PipelineBuildError(found)
        return PipelineGraph(nodes(self.stages, around))

    async def run(
        self, snapshot: ContextSnapshot | None = None, *, input_text: str | None = None, **settings: Any
    ) -> PipelineResults:
        """Build and run once, with the `settings` of the graph's `run`; who wants more builds once, runs the graph."""
        facts = ContextSnapshot(input_text=input_text) if snapshot is None else snapshot
        return await self.build().run(facts, **settings)


def _rewired(spec: StageSpec, dependencies: Edges | None, streams: Edges | None) -> StageSpec:
    """The stage with other edges; None leaves those of a sort as they are."""
    aliases, made = dict(spec.aliases), [spec.dependencies, spec.streams]
    for sort, edges in enumerate((dependencies, streams)):
        if isinstance(edges, Mapping):
            aliases.update((called, (name,)) for called, name in edges.items())
            edges = tuple(edges.values())
        if edges is not None:
            made[sort] = _in_place((edges,) if isinstance(edges, str) else edges, {})
    return _edited(spec, aliases, *made)


def _edited(spec: StageSpec, aliases: Names, waits_for: Sequence[str], streams: Sequence[str]) -> StageSpec:
    said = {called: answers for called, answers in aliases.items() if answers and answers != (called,)}
    return replace(spec, aliases=FrozenDict(said), dependencies=tuple(waits_for), streams=tuple(streams))


def _in_place(names: Sequence[str], new: Names) -> tuple[str, ...]:
    """The names, with others in the place of some, each once."""
    return tuple(dict.fromkeys(one for name in names for one in new.get(name, (name,))))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PipelineGraph:
    """A pipeline that can run, any number of times at once: it holds no state of a run."""

    _nodes: dict[str, Node]

    @property
    def stages(self) -> tuple[StageSpec, ...]:
        """In topological order; among equals, in the order of declaration."""
        return tuple(node.spec for node in self._nodes.values())

    def __repr__(self) -> str:
        return f"PipelineGraph({', '.join(self._nodes)})"

    def mermaid(self) -> str:
        """The graph as Mermaid text, with one arrow for results and another for streams."""
        return mermaid(self.stages)

    async def run(
        self, snapshot: ContextSnapshot | StageContext, *, ports: Ports = None,
        config: Mapping[str, Any] | None = None, event_sink: EventSink | None = None,
        deadline_s: float | None = None, on_end: OnEnd | None = None,
    ) -> PipelineResults:  # fmt: skip
        """Run every stage and return their outputs. A StageContext gives its snapshot, config and ports.

        Raises PipelineCancelled, StageFailed, StageTimeout or DeadlineExceeded, with the partial results. Cancel-safe:
        however this ends, nothing of the run is left; who is cancelled and does not end in a second is brought down.
        `on_end` is called with each stage and its output as it ends, or is skipped; what it raises fails the run."""
        if isinstance(snapshot, StageContext):
            given, snapshot = snapshot, snapshot.snapshot
            event_sink = given.config.get("event_sink") if event_sink is None else event_sink
            config, ports = {**given.config, **(config or {})}, given.ports if ports is None else ports
        if not isinstance(deadline_s, int | float | None) or deadline_s != deadline_s:  # type: ignore[redundant-expr]
            raise StageUsageError(f"deadline_s is {deadline_s!r}; it must be a number of seconds")
        own = {key: value for key, value in (config or {}).items() if key not in FILLED}
        settings = freeze_items(own, StageUsageError, "the run's config")
        run = Run(self._nodes, snapshot, StagePorts.of(ports), settings, checked_sink(event_sink), on_end)
        return await run.complete(deadline_s)

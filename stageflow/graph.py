"""The immutable, checked graph: which stage waits for which, in what order, and every fault of it at once."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any

from stageflow.context import ContextSnapshot
from stageflow.core import Stage, StageContext, StageKind, StageOutput, StageStatus
from stageflow.errors import PipelineBuildError


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage as it was added. A class is instantiated for each run, an instance is shared by all."""

    name: str
    stage: Any
    kind: StageKind
    dependencies: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    when: tuple[str, str] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """All stages it reads from."""
        return (*self.dependencies, *self.streams)

    def instance(self) -> Stage:
        """The stage that a run executes."""
        made: Stage = self.stage() if isinstance(self.stage, type) else self.stage
        return made


class PipelineResults(Mapping[str, StageOutput]):
    """Outputs by stage, in the order of the graph; of a run that failed, those that had ended."""

    def __init__(self, outputs: Mapping[str, StageOutput], order: tuple[str, ...]) -> None:
        self._outputs = {name: outputs[name] for name in order if name in outputs}

    def __getitem__(self, name: str) -> StageOutput:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def data(self, name: str) -> Mapping[str, Any]:
        """What the stage gave; empty if it did not run."""
        return self._outputs[name].data if name in self._outputs else {}

    def ok(self, name: str) -> bool:
        """Whether the stage ended well."""
        return name in self._outputs and self._outputs[name].status is StageStatus.OK

    def failed(self) -> tuple[str, ...]:
        """The stages that failed."""
        return tuple(name for name, output in self._outputs.items() if output.status is StageStatus.FAIL)


class PipelineGraph:
    """A pipeline that can run, any number of times at once: it holds no state of a run."""

    def __init__(self, stages: tuple[StageSpec, ...]) -> None:
        """Raises PipelineBuildError with every fault."""
        faults = list(_faults(stages))
        if faults:
            raise PipelineBuildError(faults)
        self._by_name = {spec.name: spec for spec in stages}
        self.stages = _in_order(stages)
        """The stages in topological order."""
        self.order = tuple(spec.name for spec in self.stages)
        self.upstream = {spec.name: _ancestors(spec, self._by_name) for spec in stages}
        """For each stage its ancestors, nearest first, ties in the order of declaration."""
        self.consumers = {
            spec.name: tuple(other.name for other in stages if spec.name in other.streams) for spec in stages
        }

    async def run(
        self,
        snapshot: ContextSnapshot | StageContext,
        *,
        ports: Any = None,
        config: Mapping[str, Any] | None = None,
        event_sink: Any = None,
        deadline_s: float | None = None,
    ) -> PipelineResults:
        """Run every stage and return their outputs; nothing of the run is left when this returns.

        Raises PipelineCancelled or StageFailed, both with the partial results. Cancel-safe.
        """
        from stageflow.executor import Run  # the executor knows graphs; graphs need it only here

        if isinstance(snapshot, StageContext):
            config = {**snapshot.config, **(config or {})}
            snapshot = snapshot.snapshot
        return await Run(self, snapshot, ports, config or {}, event_sink).complete(deadline_s)


def _faults(stages: tuple[StageSpec, ...]) -> Iterator[str]:
    names = [spec.name for spec in stages]
    if not stages:
        yield "it has no stages: add one with with_stage"
    yield from (f"stage {name!r} is there twice" for name in sorted(set(names)) if names.count(name) > 1)
    for spec in stages:
        if not callable(getattr(spec.stage, "execute", None)):
            yield f"stage {spec.name!r} has no execute: write `async def execute(self, ctx)`"
        elif not iscoroutinefunction(spec.stage.execute):
            yield f"stage {spec.name!r}: execute is not async: write `async def execute(self, ctx)`"
        for need in spec.needs:
            if need == spec.name:
                yield f"stage {spec.name!r} depends on itself"
            elif need not in names:
                yield f"stage {spec.name!r} depends on {need!r}, which is not in the pipeline"
        yield from _when_faults(spec, {other.name: other for other in stages})
    cycle = _cycle({spec.name: spec.needs for spec in stages})
    if cycle:
        yield f"there is a cycle: {' -> '.join(cycle)}"


def _when_faults(spec: StageSpec, by_name: Mapping[str, StageSpec]) -> Iterator[str]:
    if spec.when is None:
        return
    router = by_name.get(spec.when[0])
    if router is None or router.kind is not StageKind.ROUTE:
        yield f"stage {spec.name!r}: `when` names {spec.when[0]!r}, which is no ROUTE stage of the pipeline"
    elif router.name not in _ancestors(spec, by_name):
        yield f"stage {spec.name!r}: `when` names {router.name!r}, which is not upstream: depend on it"


def _cycle(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The path of one cycle, from a stage back to itself; empty if there is none. Self-loops are other faults."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done or name not in needs:
            return []
        for need in needs[name]:
            if need != name and (found := visit(need, [*path, name])):
                return found
        done.add(name)
        return []

    return next((found for name in needs if (found := visit(name, []))), [])


def _in_order(stages: tuple[StageSpec, ...]) -> tuple[StageSpec, ...]:
    placed: dict[str, StageSpec] = {}
    while len(placed) < len(stages):
        for spec in stages:
            if spec.name not in placed and all(need in placed for need in spec.needs):
                placed[spec.name] = spec
    return tuple(placed.values())


def _ancestors(spec: StageSpec, by_name: Mapping[str, StageSpec]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    queue = deque(spec.needs)
    while queue:
        name = queue.popleft()
        if name not in found and name in by_name:
            found[name] = None
            queue.extend(by_name[name].needs)
    return tuple(found)

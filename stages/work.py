"""WORK stages beside the answer: each is run when what it needs is there, and nothing that is said waits for it.

A WORK stage is taken out of the pipeline that answers. What belongs together by its edges becomes a graph of its own,
in which the stages of the answer that it needs are there as givers of what they have given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stageflow.context import ContextSnapshot
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.graph import OTHERWISE, Specs, StageSpec, upstream
from stageflow.pipeline import Pipeline, PipelineGraph
from stageflow.stages.ports import StagePorts

_GIVEN = "given_outputs"


@dataclass(frozen=True, slots=True)
class Work:
    """WORK stages that belong together, and the stages of the answer that they need."""

    graph: PipelineGraph
    needs: frozenset[str]
    stages: tuple[str, ...]

    def is_ready(self, outputs: Mapping[str, StageOutput]) -> bool:
        """Whether all that it needs has ended."""
        return self.needs <= outputs.keys()

    async def run(
        self,
        snapshot: ContextSnapshot,
        outputs: Mapping[str, StageOutput],
        ports: StagePorts,
        *,
        deadline_s: float,
    ) -> None:
        """Do it, with what the answer's stages have given. Raises as `PipelineGraph.run`; cancel-safe."""
        extra = {**ports.extra, _GIVEN: outputs}
        await self.graph.run(snapshot, ports=replace(ports, extra=extra), deadline_s=deadline_s)


def works_of(pipeline: Pipeline) -> tuple[Work, ...]:
    """The WORK stages of a pipeline, those together that need each other."""
    specs = {spec.name: spec for spec in pipeline.stages}
    names = [name for name, spec in specs.items() if spec.kind is StageKind.WORK]
    return tuple(_work(group, specs) for group in _groups(names, specs))


def _groups(names: Sequence[str], specs: Specs) -> list[list[str]]:
    groups: list[list[str]] = []
    for name in names:
        near = {*specs[name].needs, *(one for one in names if name in specs[one].needs)}
        joined = [group for group in groups if near.intersection(group)]
        groups = [group for group in groups if group not in joined]
        groups.append([*(one for group in joined for one in group), name])
    return groups


def _work(names: Sequence[str], specs: Specs) -> Work:
    before = {one for name in names for one in upstream(specs, name)} - set(names)
    givers, otherwise = [], []
    for name in specs:
        if name not in before:
            continue
        spec = specs[name]
        kind = StageKind.ROUTE if spec.kind is StageKind.ROUTE else StageKind.TRANSFORM
        givers.append(StageSpec(name, _Given(name), kind, spec.needs))  # so that the nearest is found first
        if kind is StageKind.ROUTE:  # whatever it said leads somewhere
            otherwise.append(
                StageSpec(f"otherwise {name}", _nothing, StageKind.WORK, (name,), when=(name, OTHERWISE))
            )
    graph = Pipeline((*givers, *(specs[name] for name in names), *otherwise)).build()
    return Work(graph, frozenset(before), tuple(names))


async def _nothing(ctx: StageContext) -> StageOutput:
    return StageOutput.ok()


@dataclass(frozen=True, slots=True)
class _Given:
    """Stands for a stage of the answer."""

    name: str

    async def execute(self, ctx: StageContext) -> StageOutput:
        outputs: Mapping[str, StageOutput] = ctx.ports.extra[_GIVEN]
        return outputs[self.name]

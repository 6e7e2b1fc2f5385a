"""The builder: a few calls that end in a graph, or in one error that names every fault."""

from collections.abc import Mapping
from typing import Any

from stageflow.context import ContextSnapshot
from stageflow.core import StageKind
from stageflow.errors import (
    DeadlineExceeded,
    PipelineBuildError,
    PipelineCancelled,
    StageFailed,
    StageTimeout,
)
from stageflow.graph import PipelineGraph, PipelineResults, StageSpec

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


class Pipeline:
    """An immutable list of stages; every call returns a new one."""

    def __init__(self, stages: tuple[StageSpec, ...] = ()) -> None:
        self._stages = stages

    def with_stage(
        self,
        name: str,
        stage: Any,
        kind: StageKind | None = None,
        dependencies: tuple[str, ...] | list[str] = (),
        *,
        streams: tuple[str, ...] | list[str] = (),
        when: tuple[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> "Pipeline":
        """Add a stage: `dependencies` are waited for, `streams` are read while they are sent."""
        kind = kind or StageKind(getattr(stage, "kind", StageKind.TRANSFORM))
        spec = StageSpec(
            name, stage, kind, tuple(dependencies), tuple(streams), when, dict(config or {}), timeout_s
        )
        return Pipeline((*self._stages, spec))

    def compose(self, other: "Pipeline") -> "Pipeline":
        """The stages of both."""
        return Pipeline((*self._stages, *other._stages))  # noqa: SLF001 - another of the same class

    def build(self) -> PipelineGraph:
        """The graph; raises PipelineBuildError with every fault."""
        return PipelineGraph(self._stages)

    async def run(self, input_text: str | None = None, *, ports: Any = None) -> PipelineResults:
        """Build and run once: for the small case."""
        return await self.build().run(ContextSnapshot(input_text=input_text), ports=ports)

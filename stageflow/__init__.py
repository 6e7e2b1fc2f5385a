"""A small pipeline framework: stages, ports, a checked graph, streams. Knows nothing of voice."""

from stageflow.context import ContextSnapshot, Message, RunIdentity
from stageflow.core import (
    PipelineTimer,
    Stage,
    StageArtifact,
    StageContext,
    StageEvent,
    StageKind,
    StageOutput,
    StageStatus,
)
from stageflow.errors import StageflowError
from stageflow.pipeline import (
    Pipeline,
    PipelineCancelled,
    PipelineGraph,
    PipelineResults,
    StageFailed,
    StageSpec,
)
from stageflow.tools import Tool, ToolCall, ToolRegistry, ToolResult

__all__ = [
    "ContextSnapshot",
    "Message",
    "Pipeline",
    "PipelineCancelled",
    "PipelineGraph",
    "PipelineResults",
    "PipelineTimer",
    "RunIdentity",
    "Stage",
    "StageArtifact",
    "StageContext",
    "StageEvent",
    "StageFailed",
    "StageKind",
    "StageOutput",
    "StageSpec",
    "StageStatus",
    "StageflowError",
    "Tool",
    "ToolCall",
    "ToolRegistry",
    "ToolResult",
]

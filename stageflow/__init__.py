"""A small pipeline framework: stages, ports, a checked graph, streams. Knows nothing of voice.

Stages do the work; a `Pipeline` says what waits for what and becomes a graph; a run of the graph carries one frozen
snapshot of facts through it. How to write a stage: `docs/guide/building-stages.md`; all else: `docs/stageflow.md`.
"""

from stageflow.context import (  # noqa: I001  # several names a line
    ContextSnapshot, Document, Memory, Message, PipelineTimer, Profile, RunIdentity,
)  # fmt: skip
from stageflow.core import Stage, StageArtifact, StageContext, StageKind, StageOutput, StageStatus
from stageflow.errors import (
    DeadlineExceeded, InvalidOutputError, PipelineBuildError, PipelineCancelled, RunEnded, StageCancelled, StageFailed,
    StageflowError, StageTimeout, StageUsageError, StreamError, ToolDeclarationError,
)  # fmt: skip
from stageflow.events import CollectingEventSink, EventSink, LoggingEventSink, NoOpEventSink, StageEvent
from stageflow.interceptors import (
    Interceptor, LoggingInterceptor, MetricsInterceptor, RetryInterceptor, RetryPolicy, Span, TimeoutInterceptor,
    TracingInterceptor,
)  # fmt: skip
from stageflow.pipeline import OTHERWISE, Pipeline, PipelineGraph, PipelineResults, StageSpec
from stageflow.stages.inputs import StageInputs, UndeclaredDependencyError, create_stage_inputs
from stageflow.stages.ports import (
    AudioPorts, CorePorts, LLMPorts, StagePorts, create_audio_ports, create_core_ports, create_llm_ports,
)  # fmt: skip
from stageflow.tools import Tool, ToolCall, ToolRegistry, ToolResult

__all__ = [  # noqa: RUF022  # one order for constants and classes
    "AudioPorts", "CollectingEventSink", "ContextSnapshot", "CorePorts", "DeadlineExceeded", "Document",
    "EventSink", "Interceptor", "InvalidOutputError", "LLMPorts", "LoggingEventSink", "LoggingInterceptor",
    "Memory", "Message", "MetricsInterceptor", "NoOpEventSink", "OTHERWISE", "Pipeline", "PipelineBuildError",
    "PipelineCancelled", "PipelineGraph", "PipelineResults", "PipelineTimer", "Profile", "RetryInterceptor",
    "RetryPolicy", "RunEnded", "RunIdentity", "Span", "Stage", "StageArtifact", "StageCancelled", "StageContext",
    "StageEvent", "StageFailed", "StageInputs", "StageKind", "StageOutput", "StagePorts", "StageSpec",
    "StageStatus", "StageTimeout", "StageUsageError", "StageflowError", "StreamError", "TimeoutInterceptor",
    "Tool", "ToolCall", "ToolDeclarationError", "ToolRegistry", "ToolResult", "TracingInterceptor",
    "UndeclaredDependencyError", "create_audio_ports", "create_core_ports", "create_llm_ports",
    "create_stage_inputs",
]  # fmt: skip

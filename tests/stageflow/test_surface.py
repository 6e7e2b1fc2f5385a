"""What the framework shows: its names, where they live, and how little comes with importing it."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import stageflow
from stageflow.errors import StageflowError
from tests.support.patience import PATIENCE_S

PROMISED = {
    "stageflow.core": "Stage StageKind StageStatus StageOutput StageArtifact StageEvent StageContext PipelineTimer",
    "stageflow.context": "ContextSnapshot RunIdentity Message Profile Memory Document",
    "stageflow.stages.inputs": "StageInputs create_stage_inputs UndeclaredDependencyError",
    "stageflow.stages.ports": """CorePorts LLMPorts AudioPorts StagePorts create_core_ports create_llm_ports
        create_audio_ports create_stage_inputs""",
    "stageflow.pipeline": """Pipeline StageSpec PipelineGraph PipelineResults PipelineBuildError PipelineCancelled
        StageFailed StageTimeout DeadlineExceeded""",
    "stageflow.streams": "Channel StreamWriter",
    "stageflow.interceptors": """Interceptor RetryPolicy TimeoutInterceptor RetryInterceptor TracingInterceptor
        MetricsInterceptor LoggingInterceptor""",
    "stageflow.events": "EventSink NoOpEventSink LoggingEventSink CollectingEventSink",
    "stageflow.tools": "Tool ToolRegistry ToolCall ToolResult",
    "stageflow.testing": "run_stage check_stage create_test_snapshot create_test_context CollectingEventSink",
    "stageflow.errors": "StageflowError",
}
"""Module -> names that stay there."""

FOR_TESTS_OR_INSIDE = {
    "Channel", "StreamWriter", "run_stage", "check_stage", "create_test_snapshot", "create_test_context",
}  # fmt: skip
"""Names that have a module of their own and no place at the root."""

LIGHT = ("pydantic", "numpy", "openai", "server", "stages", "audio")
"""What must not come with the framework, which depends on anyio alone."""

SOURCES = sorted(Path(stageflow.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("module", PROMISED)
def test_names_live_where_they_are_promised(module: str) -> None:
    there = import_module(module)
    assert [name for name in PROMISED[module].split() if not hasattr(there, name)] == []


@pytest.mark.parametrize("module", ["stageflow", *PROMISED])
def test_what_a_module_exports_is_there_sorted_and_public(module: str) -> None:
    there = import_module(module)
    names: list[str] = getattr(there, "__all__", [])
    assert [name for name in names if not hasattr(there, name) or name.startswith("_")] == []
    # The order of the linter: constants and classes first, then functions.
    assert names == sorted(names, key=lambda name: (name[0].islower(), name))
    assert len(names) == len(set(names))


def test_the_root_has_every_promised_name_that_a_stage_author_needs() -> None:
    promised = {name for names in PROMISED.values() for name in names.split()}
    assert promised - FOR_TESTS_OR_INSIDE <= set(stageflow.__all__)


def test_the_root_has_every_error() -> None:
    def kinds(error: type[StageflowError]) -> set[str]:
        return {error.__name__}.union(*(kinds(kind) for kind in error.__subclasses__()))

    assert kinds(StageflowError) <= set(stageflow.__all__)
    assert [
        name for name in kinds(StageflowError) if name not in str(sys.modules["stageflow.errors"].__doc__)
    ] == []


def test_the_root_exports_the_same_objects_as_the_modules() -> None:
    for module, names in PROMISED.items():
        there = import_module(module)
        for name in set(names.split()) & set(stageflow.__all__):
            assert getattr(there, name) is getattr(stageflow, name)


def test_importing_the_framework_brings_anyio_and_nothing_heavier() -> None:
    program = f"import sys, stageflow, stageflow.testing; print(*(m for m in {LIGHT!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert done.stdout.split() == []


def test_every_public_name_says_what_it_is() -> None:
    bare = [name for name in stageflow.__all__ if not inspect.getdoc(getattr(stageflow, name))]
    assert bare == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_function_is_longer_than_40_lines(path: Path) -> None:
    long = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > 40
    ]
    assert long == []

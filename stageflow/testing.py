"""For whoever writes stages: run one alone, with whatever it is to find upstream."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from stageflow.context import ContextSnapshot
from stageflow.core import StageContext, StageOutput
from stageflow.events import CollectingEventSink
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import as_ports
from stageflow.streams import Channel, StreamWriter

__all__ = ["CollectingEventSink", "create_test_context", "create_test_snapshot", "run_stage"]


def create_test_snapshot(**values: Any) -> ContextSnapshot:
    """A snapshot with these values and defaults for the rest."""
    return ContextSnapshot(**values)


def create_test_context(
    *,
    stage_name: str = "stage",
    snapshot: ContextSnapshot | None = None,
    inputs: Mapping[str, StageOutput | Mapping[str, Any]] | None = None,
    streams: Mapping[str, list[Any]] | None = None,
    ports: Any = None,
    config: Mapping[str, Any] | None = None,
    sent: list[Any] | None = None,
) -> StageContext:
    """A context as the executor would make it; `inputs` and `streams` are by upstream stage.

    What the stage sends into its stream is put into `sent`.
    """
    outputs = {
        name: given if isinstance(given, StageOutput) else StageOutput.ok(given)
        for name, given in (inputs or {}).items()
    }
    channels = {name: _filled(name, items) for name, items in (streams or {}).items()}
    seen = StageInputs(
        snapshot or ContextSnapshot(),
        MappingProxyType(outputs),
        as_ports(ports),
        upstream=(*outputs, *(name for name in channels if name not in outputs)),
        streams=channels,
        stage_name=stage_name,
    )
    writer = StreamWriter(stage_name) if sent is None else _Recorder(stage_name, sent)
    settings = MappingProxyType({**(config or {}), "inputs": seen})
    return StageContext(seen.snapshot, seen, stage_name, config=settings, stream=writer)


async def run_stage(stage: Any, **context: Any) -> StageOutput:
    """Execute one stage alone; the keywords are those of `create_test_context`."""
    made = stage() if isinstance(stage, type) else stage
    ctx = create_test_context(stage_name=made.name, **context)
    output = await made.execute(ctx)
    if not isinstance(output, StageOutput):
        output = StageOutput.ok(output)
    return output.recorded(ctx.artifacts, ctx.events, output.duration_ms)


class _Recorder(StreamWriter):
    def __init__(self, stage: str, sent: list[Any]) -> None:
        super().__init__(stage)
        self._sent = sent

    async def send(self, item: Any) -> None:
        self._sent.append(item)


def _filled(producer: str, items: list[Any]) -> Channel:
    channel = Channel(producer, capacity=len(items) + 1)
    channel.fill(items)
    return channel

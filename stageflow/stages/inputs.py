"""`StageInputs`: a read-only view of what the stages upstream gave.

What can be seen never depends on timing: the stages that must have ended before this one starts, and those whose
stream it has read to the end. Values that could be changed (dicts, lists, sets) are handed out as copies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stageflow.context import ContextSnapshot
from stageflow.errors import StageUsageError, StreamError
from stageflow.errors import UndeclaredDependencyError as UndeclaredDependencyError

if TYPE_CHECKING:
    from stageflow.core import StageOutput
    from stageflow.stages.ports import Ports, StagePorts
    from stageflow.streams import Channel

_MISSING = object()


@dataclass(slots=True, eq=False, repr=False)
class StageInputs:
    """What a stage may read of the run it is part of."""

    snapshot: ContextSnapshot
    ports: "StagePorts"
    _outputs: "Mapping[str, StageOutput]"
    _upstream: tuple[str, ...]  # the stages that may be seen, in the order in which `get` searches them
    streams: "Mapping[str, Channel]"  # by producer; `stream` says what is wrong when there is none
    stage_name: str = ""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of the nearest upstream stage that has `key`; among equals, of the one declared first."""
        self._check_key(key)
        for stage in self._upstream:
            if (output := self._visible(stage)) is not None and key in output.data:
                return _copied(output.data[key])
        return default

    def get_from(self, stage: str, key: str, default: Any = None) -> Any:
        """The value that one upstream stage has under `key`. Raises UndeclaredDependencyError."""
        self._check_key(key)
        output = self._visible(stage)
        return default if output is None else _copied(output.data.get(key, default))

    def require_from(self, stage: str, key: str, kind: type = object) -> Any:
        """The value that one upstream stage must have under `key`, and of that `kind`. Raises StageUsageError."""
        value, output = self.get_from(stage, key, _MISSING), self._visible(stage)
        if isinstance(value, kind) and value is not _MISSING:
            return value
        if output is None:
            lack = ", which has not ended: read its stream to the end first"
        elif value is _MISSING:
            lack = f", which ended with {output.status} and gave {', '.join(output.data) or 'nothing'}"
        else:
            lack = f" as {kind.__name__}, but it is {type(value).__name__}"
        raise StageUsageError(f"stage {self.stage_name!r} needs {key!r} of stage {stage!r}{lack}")

    def has_output(self, stage: str) -> bool:
        """Whether an upstream stage has ended. Raises UndeclaredDependencyError."""
        return self._visible(stage) is not None

    def get_output(self, stage: str) -> "StageOutput | None":
        """The whole output of an upstream stage; None while it runs. Raises UndeclaredDependencyError."""
        if (output := self._visible(stage)) is None:
            return None
        artifacts = tuple(replace(one, payload=_copied(one.payload)) for one in output.artifacts)
        events = tuple(replace(one, data=_copied(one.data)) for one in output.events)
        return replace(output, data=_copied(dict(output.data)), artifacts=artifacts, events=events)

    def stream(self, stage: str) -> "Channel":
        """What `stage` sends, as it comes, once: `async for item in inputs.stream("agent")`. Raises StreamError."""
        if stage not in self.streams:
            lack = f"stage {self.stage_name!r} reads the stream of {stage!r} without a stream edge"
            raise StreamError(f"{lack}: add streams=({stage!r},) to its with_stage")
        return self.streams[stage]

    def _visible(self, stage: str) -> "StageOutput | None":
        if stage not in self._upstream:
            asks = f"stage {self.stage_name!r} asks for stage {stage!r}"
            known = ", ".join(map(repr, self._upstream)) or "no stage"
            remedy = f"add {stage!r} to the dependencies in its with_stage"
            raise UndeclaredDependencyError(f"{asks}, but can see {known} only: {remedy}")
        still_streams = stage in self.streams and self.streams[stage].state != "exhausted"
        return None if still_streams else self._outputs.get(stage)

    def _check_key(self, key: object) -> None:
        if not isinstance(key, str) or not key:
            asks = f"stage {self.stage_name!r} asks its inputs for the key {key!r}"
            raise StageUsageError(f"{asks}: a key is a string, and not empty")


def _copied(value: Any) -> Any:
    """The value, with the containers in it that could be changed made anew."""
    kind = type(value)
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return kind([_copied(item) for item in value])
    return kind(value) if kind is set or kind is bytearray else value


def create_stage_inputs(
    snapshot: ContextSnapshot, prior_outputs: "Mapping[str, StageOutput] | None" = None, ports: "Ports" = None
) -> StageInputs:
    """Inputs made by hand: all of `prior_outputs` can be seen, in their order."""
    from stageflow.stages.ports import StagePorts  # which offers this function too, as the guide has it

    outputs = dict(prior_outputs or {})
    return StageInputs(snapshot, StagePorts.of(ports), outputs, tuple(outputs), {})

"""`StageInputs`: a read-only view of the results of the stages upstream."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stageflow.context import ContextSnapshot
from stageflow.core import StageOutput, StageStatus
from stageflow.errors import InvalidKeyError, MissingValueError, StreamError, UndeclaredDependencyError
from stageflow.streams import Channel

if TYPE_CHECKING:
    from stageflow.stages.ports import StagePorts

__all__ = ["StageInputs", "UndeclaredDependencyError", "create_stage_inputs"]


class StageInputs:
    """What a stage may read. `upstream` is its ancestors, nearest first, ties in the order of declaration."""

    __slots__ = ("_outputs", "_streams", "_upstream", "ports", "snapshot", "stage_name")

    def __init__(
        self,
        snapshot: ContextSnapshot,
        outputs: Mapping[str, StageOutput],
        ports: "StagePorts",
        *,
        upstream: tuple[str, ...] | None = None,
        streams: Mapping[str, Channel] | None = None,
        stage_name: str = "",
    ) -> None:
        self.snapshot = snapshot
        self.ports = ports
        self.stage_name = stage_name
        self._outputs = outputs
        self._upstream = tuple(outputs) if upstream is None else upstream
        self._streams = streams or {}

    def get(self, key: str, default: Any = None) -> Any:
        """The value of the nearest upstream stage that has `key`."""
        _check_key(key)
        for stage in self._upstream:
            output = self._outputs.get(stage)
            if output is not None and key in output.data:
                return output.data[key]
        return default

    def get_from(self, stage: str, key: str, default: Any = None) -> Any:
        """The value of one upstream stage. Raises UndeclaredDependencyError if it is not upstream."""
        _check_key(key)
        output = self.get_output(stage)
        return default if output is None else output.data.get(key, default)

    def require_from(self, stage: str, key: str) -> Any:
        """The same, or MissingValueError."""
        _check_key(key)
        output = self.get_output(stage)
        if output is None or key not in output.data:
            raise MissingValueError(
                f"stage {self.stage_name!r} requires {key!r} of stage {stage!r}, which did not give it"
            )
        return output.data[key]

    def has_output(self, stage: str) -> bool:
        """Whether an upstream stage has ended with data or a skip."""
        return stage in self._upstream and stage in self._outputs

    def get_output(self, stage: str) -> StageOutput | None:
        """The whole output of an upstream stage, None while it runs or when it did not."""
        if stage not in self._upstream:
            raise UndeclaredDependencyError(
                f"stage {self.stage_name!r} asks for {stage!r}, which is not upstream of it: "
                f"declare it in `dependencies` or `streams`"
            )
        output = self._outputs.get(stage)
        if output is None or output.status is not StageStatus.OK:
            return output
        return output

    def stream(self, stage: str) -> Channel:
        """What `stage` sends, as it comes: `async for item in ctx.inputs.stream("agent")`."""
        if stage not in self._streams:
            raise StreamError(
                f"stage {self.stage_name!r} reads the stream of {stage!r}: declare it in `streams`"
            )
        return self._streams[stage]


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not key:
        raise InvalidKeyError(f"a key is a string that is not empty, not {key!r}")


def create_stage_inputs(
    snapshot: ContextSnapshot, prior_outputs: Mapping[str, StageOutput] | None = None, ports: Any = None
) -> StageInputs:
    """Inputs made by hand, for a stage that is run on its own."""
    from stageflow.stages.ports import as_ports  # the guide imports this function from there too

    return StageInputs(snapshot, MappingProxyType(dict(prior_outputs or {})), as_ports(ports))

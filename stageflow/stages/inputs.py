"""`StageInputs`: a read-only view of what the stages upstream gave.

What can be seen never depends on timing: the stages that must have ended before this one starts, and those whose
stream it has read to the end. Nobody can change what is handed out: it is frozen, or a copy.
"""

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from stageflow.context import ContextSnapshot
from stageflow.errors import StageUsageError, StreamError
from stageflow.errors import UndeclaredDependencyError as UndeclaredDependencyError
from stageflow.frozen import EMPTY
from stageflow.output import StageOutput
from stageflow.stages.services import Ports, StagePorts
from stageflow.streams import Channel

T = TypeVar("T")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Sight:
    """What a stage may see of its graph, the same in every run."""

    upstream: tuple[str, ...] = ()  # the stages that may be seen, in the order in which `get` searches them
    unsettled: frozenset[str] = frozenset()  # those that are upstream, but may run on: a stream is between
    # The stages that answer in place of one that the code names, where a pipeline was edited, or is part of another.
    aliases: Mapping[str, tuple[str, ...]] = EMPTY


@dataclass(slots=True, eq=False, repr=False)
class StageInputs:
    """What a stage may read of the run it is part of."""

    snapshot: ContextSnapshot
    ports: StagePorts
    _outputs: Mapping[str, StageOutput]
    _sight: Sight
    streams: Mapping[str, Channel]  # by producer; `stream` says what is wrong when there is none
    stage_name: str = ""
    _passed_by: Collection[str] = ()  # the stages that routing has led past

    def get(self, key: str, default: Any = None) -> Any:
        """The newest value of `key` upstream; among equals that of the nearest stage, or the one declared first."""
        return self._first(self._sight.upstream, key, default)

    def get_from(self, stage: str, key: str, default: Any = None) -> Any:
        """The value that one upstream stage has under `key`. Raises UndeclaredDependencyError."""
        return self._first(self._behind(stage), key, default)

    def _first(self, stages: tuple[str, ...], key: object, default: Any) -> Any:
        if not isinstance(key, str) or not key:
            asks = f"stage {self.stage_name!r} asks its inputs for the key {key!r}"
            raise StageUsageError(f"{asks}: a key is a string, and not empty")
        for stage in stages:
            if (output := self._ended(stage)) is not None and key in output.data:
                return deepcopy(output.data[key])  # what is frozen is its own copy
        return default

    @overload
    def require_from(self, stage: str, key: str) -> Any: ...
    @overload
    def require_from(self, stage: str, key: str, kind: type[T]) -> T: ...
    def require_from(self, stage: str, key: str, kind: type = object) -> Any:
        """The value that one upstream stage must have under `key`, and of that `kind`. Raises StageUsageError."""
        value, output = self.get_from(stage, key, _MISSING), self._ended(self._behind(stage)[0])
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
        """Whether an upstream stage has ended; not, if routing led past it. Raises UndeclaredDependencyError."""
        name = self._behind(stage)[0]
        return self._ended(name) is not None and name not in self._passed_by

    def get_output(self, stage: str) -> StageOutput | None:
        """The whole output of an upstream stage; None while it runs. Raises UndeclaredDependencyError."""
        return deepcopy(self._ended(self._behind(stage)[0]))

    def stream(self, stage: str) -> Channel:
        """What `stage` sends, as it comes, once: `async for item in inputs.stream("agent")`. Raises StreamError."""
        producer = self._sight.aliases.get(stage, (stage,))[0]
        if producer not in self.streams:
            lack = f"stage {self.stage_name!r} reads the stream of {stage!r} without a stream edge"
            raise StreamError(f"{lack}: add streams=({stage!r},) to its with_stage")
        return self.streams[producer]

    def _ended(self, stage: str) -> StageOutput | None:
        """The output of a stage that may be seen by now."""
        still_streams = stage in self.streams and self.streams[stage].state != "exhausted"
        return None if still_streams else self._outputs.get(stage)

    def _behind(self, stage: str) -> tuple[str, ...]:
        """The stages that answer when this one is asked for, all of which may be seen."""
        sight = self._sight
        answering = sight.aliases.get(stage, (stage,))
        if (first := answering[0]) in sight.upstream:
            return answering if len(answering) == 1 else tuple(filter(sight.upstream.__contains__, answering))
        asks = f"stage {self.stage_name!r} asks for stage {stage!r}"
        if first in sight.unsettled:
            lack = "which may run on while this one does: there is a stream between them"
            through = f"read its stream too, or let the stage in between pass {stage!r}'s values on"
            raise UndeclaredDependencyError(f"{asks}, {lack}; {through}")
        known = ", ".join(map(repr, sight.upstream)) or "no stage"
        remedy = f"add {stage!r} to the dependencies in its with_stage"
        raise UndeclaredDependencyError(f"{asks}, but can see {known} only: {remedy}")


def create_stage_inputs(
    snapshot: ContextSnapshot, prior_outputs: Mapping[str, StageOutput] | None = None, ports: Ports = None
) -> StageInputs:
    """Inputs made by hand: all of `prior_outputs` can be seen, in their order."""
    outputs = dict(prior_outputs or {})
    return StageInputs(snapshot, StagePorts.of(ports), outputs, Sight(tuple(outputs)), {})

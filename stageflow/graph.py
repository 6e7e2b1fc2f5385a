"""The checked graph: which stage waits for which, in what order, and what each may see. Pure.

Three relations decide everything. A stage may see what is settled for it, and its producers.
- `needs`: the stages that a stage waits for (value edges) or reads a stream of (stream edges).
- `upstream`: those, all that they need, and so on.
- `settled`: the stages that have certainly ended before a stage starts: whatever it, or anyone upstream of it,
  waits for. The producer of a stream that it reads is not, because a consumer starts with its producer.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from stageflow.core import Stage, StageCall, StageKind, StageOutput, StageStatus
from stageflow.interceptors import Interceptor, RetryInterceptor, RetryPolicy, TimeoutInterceptor, attempt_of

STREAMING_KINDS = (StageKind.TRANSFORM, StageKind.ENRICH, StageKind.AGENT)  # the others decide or act
_REFUSAL = "stage {!r} sends into its stream, but is of kind {}: make it a TRANSFORM, ENRICH or AGENT"


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage as it was added, in a graph with the defaults of the interceptors for what it left out."""

    name: str
    stage: Stage | type[Stage]
    kind: StageKind
    dependencies: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    when: tuple[str, str] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None
    retry: RetryPolicy | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.dependencies, *self.streams)


Specs = Mapping[str, StageSpec]  # by name, in the order of declaration


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A stage of a graph, with all about it that is the same in every run."""

    name: str
    spec: StageSpec
    upstream: tuple[str, ...]  # what it may see, in the order in which `get` searches
    attempt: StageCall
    followers: "tuple[Node, ...]"  # those that wait for its end
    consumers: "tuple[Node, ...]"  # those that read its stream
    refusal: str  # why the stage cannot send into its stream; empty if it can


@dataclass(slots=True, eq=False, repr=False)
class PipelineResults(Mapping[str, StageOutput]):
    """Outputs by stage, in topological order. Of a run that did not complete: of the stages that had begun."""

    _order: Collection[str]
    _outputs: Mapping[str, StageOutput]  # filled by the run
    run_id: str
    duration_ms: float = 0.0

    def __getitem__(self, name: str) -> StageOutput:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._order if name in self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        return f"PipelineResults({', '.join(f'{name}: {self[name].status}' for name in self)})"

    def data(self, name: str) -> dict[str, Any]:
        """What the stage gave, empty if it never ran. Raises KeyError if the pipeline has no such stage."""
        if name not in self._order:
            raise KeyError(f"the pipeline has no stage {name!r}; it has {', '.join(self._order)}")
        return dict(self._outputs[name].data) if name in self._outputs else {}

    def ok(self, name: str) -> bool:
        return name in self._outputs and self._outputs[name].status is StageStatus.OK

    def failed(self) -> tuple[str, ...]:
        return tuple(name for name in self if self[name].status is StageStatus.FAIL)


def upstream(specs: Specs, name: str, by: Literal["needs", "streams"] = "needs") -> list[str]:
    """Nearest first, ties as declared. A wrong pipeline can be asked too: in a cycle, a stage is upstream of itself."""
    seen: list[str] = []
    level = {name}
    while level:
        found = {need for one in level for need in getattr(specs[one], by)}
        level = found.intersection(specs).difference(seen)
        seen += [one for one in specs if one in level]
    return seen


def settled(specs: Specs, name: str) -> set[str]:
    waiting = (name, *upstream(specs, name))
    return {need for one in waiting for need in specs[one].dependencies if need in specs}


def nodes(stages: Sequence[StageSpec], interceptors: Sequence[Interceptor]) -> dict[str, Node]:
    """The stages of a pipeline without faults by name, ready to run, in topological order."""
    timeout_s = next((one.timeout_s for one in interceptors if isinstance(one, TimeoutInterceptor)), None)
    retry = next((one.policy for one in interceptors if isinstance(one, RetryInterceptor)), None)
    specs: Specs = {spec.name: spec for spec in stages}
    order: dict[str, StageSpec] = {}  # each after what it needs; otherwise as declared
    while rest := [spec for spec in stages if spec.name not in order]:
        spec = next(one for one in rest if order.keys() >= set(one.needs))
        order[spec.name] = spec
    made: dict[str, Node] = {}
    for name, spec in reversed(order.items()):  # backwards, so that followers are there already
        may_see = settled(specs, name).union(spec.streams)
        routed = [other.name for other in stages if other.when and other.when[0] == name]
        seen = tuple(one for one in upstream(specs, name) if one in may_see)
        attempt = attempt_of(spec.stage, name, interceptors, routed)
        followers = tuple(made[other.name] for other in order.values() if name in other.dependencies)
        consumers = tuple(made[other.name] for other in order.values() if name in other.streams)
        refusal = "" if spec.kind in STREAMING_KINDS else _REFUSAL.format(name, spec.kind)
        spec = replace(spec, timeout_s=spec.timeout_s or timeout_s, retry=spec.retry or retry)
        made[name] = Node(name, spec, seen, attempt, followers, consumers, refusal)
    return dict(reversed(made.items()))

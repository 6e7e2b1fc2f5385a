"""The checked graph: which stage waits for which, in what order, and what each may see. Pure.

Three relations decide everything:
- `needs`: the stages that a stage waits for (value edges) or reads a stream of (stream edges).
- `upstream`: those, all that they need, and so on.
- `settled`: the stages that have certainly ended before a stage starts: whatever it, or anyone upstream of it,
  waits for. The producer of a stream that it reads is not, because a consumer starts with its producer.

A stage may see what is settled for it, and its producers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stageflow.core import Stage, StageKind, StageOutput, StageStatus
from stageflow.interceptors import (
    Interceptor,
    RetryInterceptor,
    RetryPolicy,
    StageCall,
    TimeoutInterceptor,
    attempt_call,
)

STREAMING_KINDS = (StageKind.TRANSFORM, StageKind.ENRICH, StageKind.AGENT)
"""Kinds whose stages may send into a stream; the others decide or act, and produce nothing on the way."""

_REFUSAL = "stage {!r} sends into its stream, but is of kind {}: make it a TRANSFORM, ENRICH or AGENT"

AnyInterceptor = Interceptor | TimeoutInterceptor | RetryInterceptor


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
        """The stages that it waits for or reads a stream of."""
        return (*self.dependencies, *self.streams)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A stage of a graph, with all about it that is the same in every run."""

    spec: StageSpec
    needs: tuple[str, ...]
    upstream: tuple[str, ...]
    """What it may see, in the order in which `get` searches."""
    call: StageCall
    followers: "tuple[Node, ...]"
    """Those that wait for its end."""
    consumers: "tuple[Node, ...]"
    """Those that read its stream."""
    awaiting_route: tuple[str, ...]
    """Those that run only for one of its routes."""
    refusal: str
    """Why the stage cannot send into its stream; empty if it can."""


class PipelineResults(Mapping[str, StageOutput]):
    """Outputs by stage, in topological order. Of a run that did not complete: of the stages that had begun."""

    __slots__ = ("_order", "_outputs", "duration_ms", "run_id")

    def __init__(self, order: Sequence[str], outputs: Mapping[str, StageOutput], run_id: str) -> None:
        """A view of `outputs`, which the run fills."""
        self._order = order
        self._outputs = outputs
        self.run_id = run_id
        self.duration_ms = 0.0

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
        """Whether the stage ended well."""
        return name in self._outputs and self._outputs[name].status is StageStatus.OK

    def failed(self) -> tuple[str, ...]:
        """The stages that failed."""
        return tuple(name for name in self if self[name].status is StageStatus.FAIL)


class Edges:
    """What leads where. Edges that lead nowhere are left out, so that even a wrong pipeline can be asked."""

    def __init__(self, specs: Sequence[StageSpec]) -> None:
        self.specs: dict[str, StageSpec] = {}
        for spec in specs:
            self.specs.setdefault(spec.name, spec)

    def upstream(self, name: str) -> list[str]:
        """Nearest first, ties in the order of declaration. In a cycle, the stage is upstream of itself."""
        seen: list[str] = []
        level = {name}
        while level:
            needed = {need for one in level for need in self.specs[one].needs if need in self.specs}
            level = needed.difference(seen)
            seen += [one for one in self.specs if one in level]
        return seen

    def senders(self, name: str) -> set[str]:
        """The stage, and those whose streams lead to it: all that wait when nobody reads its stream."""
        found, level = set[str](), {name}
        while level:
            found |= level
            read = {need for one in level for need in self.specs[one].streams if need in self.specs}
            level = read - found
        return found

    def settled(self, name: str) -> set[str]:
        """The stages that have certainly ended before this one starts."""
        waiting = (name, *self.upstream(name))
        return {need for one in waiting for need in self.specs[one].dependencies if need in self.specs}


def topological(specs: Iterable[StageSpec]) -> tuple[StageSpec, ...]:
    """The stages so that each comes after what it needs; otherwise in the order of declaration."""
    order: dict[str, StageSpec] = {}
    waiting = list(specs)
    while waiting:
        spec = next(one for one in waiting if order.keys() >= set(one.needs))
        waiting.remove(spec)
        order[spec.name] = spec
    return tuple(order.values())


def nodes(specs: Sequence[StageSpec], interceptors: Sequence[AnyInterceptor]) -> tuple[Node, ...]:
    """The stages of a pipeline without faults, ready to run, in topological order."""
    hooks = [one for one in interceptors if not isinstance(one, TimeoutInterceptor | RetryInterceptor)]
    timeout_s = next((one.timeout_s for one in interceptors if isinstance(one, TimeoutInterceptor)), None)
    retry = next((one.policy for one in interceptors if isinstance(one, RetryInterceptor)), None)
    edges, order = Edges(specs), topological(specs)
    made: dict[str, Node] = {}
    for spec in reversed(order):  # backwards, so that followers are there already
        name = spec.name
        may_see = edges.settled(name).union(spec.streams)
        made[name] = Node(
            replace(spec, timeout_s=spec.timeout_s or timeout_s, retry=spec.retry or retry),
            spec.needs,
            tuple(one for one in edges.upstream(name) if one in may_see),
            attempt_call(name, spec.stage, hooks),
            tuple(made[other.name] for other in order if name in other.dependencies),
            tuple(made[other.name] for other in order if name in other.streams),
            tuple(other.name for other in order if other.when is not None and other.when[0] == name),
            "" if spec.kind in STREAMING_KINDS else _REFUSAL.format(name, spec.kind),
        )
    return tuple(reversed(made.values()))

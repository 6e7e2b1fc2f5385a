"""The checked graph: which stage waits for which, in what order, what each may see, and every fault at once.

Pure. Two relations decide everything:
- `needs`: the stages that a stage waits for (value edges) or reads a stream of (stream edges).
- `settled`: the stages that have certainly ended before a stage starts. Through a value edge, that is the
  dependency and all that was settled for it; through a stream edge, only what was settled for the producer,
  because a consumer starts with its producer. A stage may see what is settled for it, and its producers.
"""

import heapq
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from stageflow.core import Stage, StageKind, StageOutput, StageStatus
from stageflow.interceptors import RetryPolicy, StageCall

STREAMING_KINDS = (StageKind.TRANSFORM, StageKind.ENRICH, StageKind.AGENT)
"""Kinds whose stages may send into a stream; the others decide or act, and produce nothing on the way."""

RESERVED_KEYS = ("inputs", "timer", "event_sink")
"""Keys of `ctx.config` that the framework fills."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage as it was added. A class is instantiated for each attempt, an instance is shared by all."""

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

    index: int
    spec: StageSpec
    needs: tuple[str, ...]
    call: StageCall
    upstream: tuple[str, ...]
    """What it may see, in the order in which `get` searches."""
    timeout_s: float | None
    retry: RetryPolicy | None
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

    def __init__(
        self, order: Sequence[str], outputs: Mapping[str, StageOutput], run_id: str, duration_ms: float
    ) -> None:
        self._order = order
        self._outputs = {name: outputs[name] for name in order if name in outputs}
        self.run_id = run_id
        self.duration_ms = duration_ms

    def __getitem__(self, name: str) -> StageOutput:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

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


def topological(specs: Sequence[StageSpec]) -> tuple[StageSpec, ...]:
    """The stages so that each comes after what it needs; otherwise in the order of declaration."""
    rank = {spec.name: index for index, spec in enumerate(specs)}
    sorter = TopologicalSorter(
        {index: {rank[need] for need in spec.needs} for index, spec in enumerate(specs)}
    )
    sorter.prepare()
    order, ready = [], list(sorter.get_ready())
    heapq.heapify(ready)
    while ready:
        index = heapq.heappop(ready)
        order.append(specs[index])
        sorter.done(index)
        for freed in sorter.get_ready():
            heapq.heappush(ready, freed)
    return tuple(order)


def settled(order: Iterable[StageSpec]) -> dict[str, frozenset[str]]:
    """For each stage the ones that have certainly ended before it starts."""
    before: dict[str, frozenset[str]] = {}
    for spec in order:
        inherited = (before[need] for need in spec.needs)
        before[spec.name] = frozenset(spec.dependencies).union(*inherited)
    return before


def visible(spec: StageSpec, specs: Sequence[StageSpec], before: frozenset[str]) -> tuple[str, ...]:
    """What the stage may see: nearest first, ties in the order of declaration."""
    by_name = {other.name: other for other in specs}
    rank = {other.name: index for index, other in enumerate(specs)}
    seen: list[str] = []
    level = set(spec.needs)
    while level:
        seen += sorted(level, key=rank.__getitem__)
        level = {need for name in level for need in by_name[name].needs}.difference(seen)
    may_see = before.union(spec.streams)
    return tuple(name for name in seen if name in may_see)


def faults(specs: Sequence[StageSpec]) -> list[str]:
    """Every reason why these stages make no pipeline, a sentence each that names the stage and the remedy."""
    if not specs:
        return ["it has no stages: add one with with_stage"]
    names = [spec.name for spec in specs]
    found = [
        f"stage {name!r} is there twice: give each stage a name of its own"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    for spec in specs:
        found += _stage_faults(spec)
        found += _edge_faults(spec, names)
    cycles = list(_cycles(specs))
    found += cycles
    # What follows needs a graph that can be ordered; what is unknown or doubled is left out of it.
    known = {spec.name: _known(spec, names) for spec in reversed(specs)}
    sound = [known[name] for name in dict.fromkeys(names)]
    by_name = {spec.name: spec for spec in sound}
    before = {} if cycles else settled(topological(sound))
    for spec in sound:
        found += _when_faults(spec, by_name, before)
        found += _stream_faults(spec, by_name, before)
    return found


def _stage_faults(spec: StageSpec) -> Iterator[str]:
    name: object = spec.name  # what strangers pass need not be of the type that is asked for
    kind: object = spec.kind
    here = f"stage {spec.name!r}"
    if not isinstance(name, str) or not name:
        yield f"{here}: a stage's name is a string, and not empty"
    execute = getattr(spec.stage, "execute", None)
    if not callable(execute):
        yield f"{here}: {_named(spec.stage)} has no execute; write `async def execute(self, ctx)`"
    elif not inspect.iscoroutinefunction(execute):
        yield f"{here}: execute of {_named(spec.stage)} is not async; write `async def execute(self, ctx)`"
    if isinstance(spec.stage, type) and (needed := _arguments(spec.stage)):
        yield f"{here}: class {_named(spec.stage)} needs arguments ({needed}); add an instance of it instead"
    own = getattr(spec.stage, "kind", kind)
    if not isinstance(kind, StageKind):
        yield f"{here}: its kind is {kind!r}; give a StageKind, here or as the class's `kind`"
    elif own is not kind:
        yield f"{here}: is added as {kind} but its class says {own}; let them agree"
    if spec.timeout_s is not None and not spec.timeout_s > 0:
        yield f"{here}: timeout_s is {spec.timeout_s!r}; it must be more than 0"
    yield from (
        f"{here}: the config key {key!r} is filled by the framework; use another name"
        for key in RESERVED_KEYS
        if key in spec.config
    )


def _named(stage: object) -> str:
    return stage.__name__ if isinstance(stage, type) else type(stage).__name__


def _arguments(kind: type) -> str:
    """The parameters that the class cannot be instantiated without."""
    parameters = inspect.signature(kind).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return ", ".join(one.name for one in parameters if one.default is one.empty and one.kind not in variadic)


def _edge_faults(spec: StageSpec, names: Sequence[str]) -> Iterator[str]:
    for edge, needs in (("depends on", spec.dependencies), ("reads the stream of", spec.streams)):
        for need in needs:
            if need == spec.name:
                yield f"stage {spec.name!r} {edge} itself; remove that edge"
            elif need not in names:
                known = ", ".join(repr(name) for name in dict.fromkeys(names) if name != spec.name) or "none"
                yield f"stage {spec.name!r} {edge} {need!r}, which is not in the pipeline; others are: {known}"


def _cycles(specs: Sequence[StageSpec]) -> Iterator[str]:
    """Each cycle with its path, until none is left: a found one is opened to look for the next."""
    needs = {spec.name: {need for need in spec.needs if need != spec.name} for spec in specs}
    while True:
        try:
            return TopologicalSorter(needs).prepare()
        except CycleError as error:
            path: list[str] = error.args[1]
            yield f"there is a cycle: {' -> '.join(map(repr, path))}; remove one of its edges"
            needs[path[1]].discard(path[0])


def _known(spec: StageSpec, names: Sequence[str]) -> StageSpec:
    """The stage with those of its edges that lead somewhere."""
    dependencies, streams = (
        tuple(need for need in needs if need in names and need != spec.name)
        for needs in (spec.dependencies, spec.streams)
    )
    return StageSpec(spec.name, spec.stage, spec.kind, dependencies, streams, spec.when)


def _when_faults(
    spec: StageSpec, by_name: Mapping[str, StageSpec], before: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    if spec.when is None:
        return
    router_name, route = spec.when
    here = f"stage {spec.name!r} runs only when {router_name!r} says {route!r}"
    router = by_name.get(router_name)
    if router is None:
        yield f"{here}, but {router_name!r} is not in the pipeline; add it, or correct `when`"
        return
    if router.kind is not StageKind.ROUTE:
        yield f"{here}, but {router_name!r} is of kind {router.kind!s}; `when` needs a ROUTE stage"
    if before and router_name not in before[spec.name]:
        yield (
            f"{here}, but is not downstream of it, so that it may start before {router_name!r} has decided; "
            f"add {router_name!r} to its dependencies"
        )
    routes = getattr(router.stage, "routes", None)
    if routes is not None and route not in routes:
        yield f"{here}, which it never does: its routes are {', '.join(map(repr, routes))}"


def _stream_faults(
    spec: StageSpec, by_name: Mapping[str, StageSpec], before: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    for name in spec.streams:
        producer = by_name[name]
        if producer.kind not in STREAMING_KINDS:
            yield (
                f"stage {spec.name!r} reads the stream of {name!r}, which does not produce one, being of kind "
                f"{producer.kind!s}; use dependencies, or make {name!r} a TRANSFORM, ENRICH or AGENT"
            )
        if name in spec.dependencies:
            yield (
                f"stage {spec.name!r} waits for {name!r} and reads its stream; remove {name!r} from its "
                f"dependencies: its output can be read after its stream"
            )
            continue
        blockers = (other for other in sorted(before.get(spec.name, ())) if _reaches(name, other, by_name))
        for blocker in blockers:
            yield (
                f"stage {spec.name!r} reads the stream of {name!r}, but starts only after {blocker!r}, which "
                f"itself comes after {name!r}: with a full stream each would wait for the other; read "
                f"{blocker!r} in a stage of its own"
            )


def _reaches(start: str, end: str, by_name: Mapping[str, StageSpec]) -> bool:
    """Whether `end` is downstream of `start`, or the same."""
    level = {end}
    seen: set[str] = set()
    while level:
        seen |= level
        level = {need for name in level for need in by_name[name].needs} - seen
    return start in seen

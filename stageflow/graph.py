"""The checked graph: which stage waits for which, in what order, and what each may see. Pure.

A stage may see what is *settled* for it, whatever it or anyone upstream of it waits for, and the producers of the
streams that it reads, which are not: a consumer starts with its producer.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from enum import Enum
from graphlib import TopologicalSorter
from typing import Any

from stageflow.core import AnyStage, StageCall, StageKind, StageOutput, StageStatus
from stageflow.frozen import EMPTY
from stageflow.interceptors import Interceptor, RetryInterceptor, RetryPolicy, TimeoutInterceptor, attempt_of
from stageflow.stages.inputs import Sight

# A GUARD in the line of a stream sends on what it lets pass; the others decide or act.
STREAMING_KINDS = (StageKind.TRANSFORM, StageKind.ENRICH, StageKind.AGENT, StageKind.GUARD)


class Otherwise(Enum):
    """The one value `OTHERWISE`: `when=("router", OTHERWISE)` takes every route that no other stage takes."""

    OTHERWISE = "otherwise"


OTHERWISE = Otherwise.OTHERWISE
When = tuple[str, str | tuple[str, ...] | Otherwise]


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage as it was added."""

    name: str
    stage: AnyStage
    kind: StageKind
    dependencies: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    when: When | None = None
    config: Mapping[str, Any] = EMPTY
    timeout_s: float | None = None
    retry: RetryPolicy | None = None
    optional: bool = False
    capacity: int | None = None  # of each stream that it reads, in items
    # By the name of a stage as this one's code has it: the stages that answer in its place, in this order.
    aliases: Mapping[str, tuple[str, ...]] = EMPTY

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.dependencies, *self.streams)

    @property
    def routes(self) -> tuple[str, ...]:
        """The routes that it takes by name."""
        routes: object = self.when[1] if isinstance(self.when, tuple) and len(self.when) == 2 else ()
        many = tuple(routes) if isinstance(routes, tuple | list) else ()
        return (routes,) if isinstance(routes, str) else many


Specs = Mapping[str, StageSpec]  # by name, in the order of declaration


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """A stage of a graph, with all about it that is the same in every run."""

    name: str
    spec: StageSpec
    sight: Sight
    attempt: StageCall
    edge_count: int  # of the edges to it
    followers: "tuple[Node, ...]"  # those that wait for its end
    consumers: "tuple[Node, ...]"  # those that read its stream


@dataclass(slots=True, eq=False, repr=False)
class PipelineResults(Mapping[str, StageOutput]):
    """Outputs by stage, in topological order. Of a run that did not complete: of the stages that had begun."""

    _order: tuple[str, ...]
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
        return dict(deepcopy(self._outputs[name].data)) if name in self._outputs else {}

    def ok(self, name: str) -> bool:
        return name in self._outputs and self._outputs[name].status is StageStatus.OK

    def failed(self) -> tuple[str, ...]:
        return tuple(name for name in self if self[name].status is StageStatus.FAIL)


def upstream(specs: Specs, name: str) -> dict[str, int]:
    """How many edges away each stage upstream is, the nearest first. In a cycle, a stage is upstream of itself."""
    distance: dict[str, int] = {}
    level, edges = {name}, 0
    while level:
        edges += 1
        found = {need for one in level for need in specs[one].needs}
        level = {one for one in found if one in specs and one not in distance}
        distance.update(dict.fromkeys(level, edges))
    return distance


def settled(specs: Specs, name: str) -> set[str]:
    waiting = (name, *upstream(specs, name))
    return {need for one in waiting for need in specs[one].dependencies if need in specs}


def _in_order(before: Mapping[str, Collection[str]], rank: Mapping[str, Any]) -> list[str]:
    """Each name after those that are before it; of those that could come next, the one with the lowest rank."""
    sorter, order = TopologicalSorter(before), list[str]()
    sorter.prepare()
    free: set[str] = set()
    while sorter.is_active():
        free.update(sorter.get_ready())
        order.append(name := min(free, key=rank.__getitem__))
        free.remove(name)
        sorter.done(name)
    return order


def _inverted(needs: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """By each name, those that need it, in their order."""
    found: dict[str, list[str]] = {name: [] for name in needs}
    for name, others in needs.items():
        for other in others:
            found[other].append(name)
    return found


def _sights(specs: Specs, order: Iterable[str], place: Mapping[str, int]) -> dict[str, Sight]:
    """What each stage may see; `order` is topological, `place` that of the declaration."""
    seen: dict[str, tuple[str, ...]] = {}  # all upstream
    ended: dict[str, frozenset[str]] = {}  # those of them that are settled
    sights: dict[str, Sight] = {}
    for name in order:
        spec = specs[name]
        if len(spec.needs) == 1:  # a chain costs no search: what the last one saw, behind it
            seen[name] = (*spec.needs, *seen[spec.needs[0]])
        else:  # who has another one upstream comes before it, then the nearest, then as declared
            distance = upstream(specs, name)
            before = _inverted({one: specs[one].needs for one in distance})
            seen[name] = tuple(_in_order(before, {one: (away, place[one]) for one, away in distance.items()}))
        ended[name] = frozenset(spec.dependencies).union(*(ended[need] for need in spec.needs))
        visible = ended[name].union(spec.streams)
        may_see = tuple(filter(visible.__contains__, seen[name]))
        sights[name] = Sight(may_see, frozenset(seen[name]) - visible, spec.aliases)
    return sights


def nodes(stages: Sequence[StageSpec], interceptors: Sequence[Interceptor]) -> dict[str, Node]:
    """The stages of a pipeline without faults by name, ready to run, in topological order."""
    timeout_s = next((one.timeout_s for one in interceptors if isinstance(one, TimeoutInterceptor)), None)
    retry = next((one.policy for one in interceptors if isinstance(one, RetryInterceptor)), None)
    specs: Specs = {spec.name: spec for spec in stages}
    place = {name: at for at, name in enumerate(specs)}
    order = _in_order({name: spec.needs for name, spec in specs.items()}, place)
    sights = _sights(specs, order, place)
    followers = _inverted({name: specs[name].dependencies for name in order})
    consumers = _inverted({name: specs[name].streams for name in order})
    made: dict[str, Node] = {}
    for name in reversed(order):  # backwards, so that followers are there already
        spec = specs[name]
        takers = {one.name: one.routes for one in stages if one.when and one.when[0] == name}
        made[name] = Node(
            name,
            replace(spec, timeout_s=spec.timeout_s or timeout_s, retry=spec.retry or retry),
            sights[name],
            attempt_of(spec.stage, name, interceptors, takers),
            len(spec.needs),
            tuple(made[one] for one in followers[name]),
            tuple(made[one] for one in consumers[name]),
        )
    return dict(reversed(made.items()))


def mermaid(specs: Sequence[StageSpec]) -> str:
    """The graph as Mermaid text: `-->` delivers a result, `==>` a stream; a route stands on its edge."""
    number = {spec.name: f"s{at}" for at, spec in enumerate(specs)}
    boxes, arrows = [], []
    for spec in specs:
        left, right = ("{{", "}}") if spec.kind is StageKind.ROUTE else ("[", "]")
        texts = (spec.name, ", ".join(spec.routes or ("otherwise",)))
        name, routes = ('"' + text.replace('"', "#quot;") + '"' for text in texts)
        boxes.append(f"    {number[spec.name]}{left}{name}{right}")
        for arrow, needs in (("-->", spec.dependencies), ("==>", spec.streams)):
            for need in needs:
                label = f"|{routes}|" if spec.when is not None and spec.when[0] == need else ""
                arrows.append(f"    {number[need]} {arrow}{label} {number[spec.name]}")
    return "\n".join(("flowchart LR", *boxes, *arrows))

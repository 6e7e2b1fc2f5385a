"""Everything that keeps stages from being a pipeline, found at once. Pure.

What strangers pass need not be of the type that is asked for; so nothing here relies on it.
"""

import inspect
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from stageflow.core import StageKind
from stageflow.graph import STREAMING_KINDS, Edges, StageSpec

RESERVED_KEYS = ("inputs", "timer", "event_sink")
"""Keys of `ctx.config` that the framework fills."""


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
    edges = Edges(specs)
    for spec in specs:
        found += _stage_faults(spec)
        found += _edge_faults(spec, edges)
        found += _when_faults(spec, edges)
    return found + list(_cycles(edges))


def _stage_faults(spec: StageSpec) -> Iterator[str]:
    name: object = spec.name
    kind: object = spec.kind
    here, stage = f"stage {spec.name!r}", spec.stage
    called = stage.__name__ if isinstance(stage, type) else type(stage).__name__
    if not isinstance(name, str) or not name:
        yield f"{here}: a stage's name is a string, and not empty"
    if not inspect.iscoroutinefunction(execute := getattr(stage, "execute", None)):
        lack = f"execute of {called} is not async" if callable(execute) else f"{called} has no execute"
        yield f"{here}: {lack}; write `async def execute(self, ctx)`"
    if isinstance(stage, type) and (needed := _arguments(stage)):
        yield f"{here}: class {called} needs arguments ({needed}); add an instance of it instead"
    own = getattr(stage, "kind", kind)
    if not isinstance(kind, StageKind):
        yield f"{here}: its kind is {kind!r}; give a StageKind, here or as the class's `kind`"
    elif own is not kind:
        yield f"{here}: is added as {kind} but its class says {own}; let them agree"
    if spec.timeout_s is not None and not spec.timeout_s > 0:
        yield f"{here}: timeout_s is {spec.timeout_s!r}; it must be more than 0"
    for key in RESERVED_KEYS:
        if key in spec.config:
            yield f"{here}: the config key {key!r} is filled by the framework; use another name"


def _arguments(kind: type) -> str:
    """The parameters that the class cannot be instantiated without."""
    parameters = inspect.signature(kind).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return ", ".join(one.name for one in parameters if one.default is one.empty and one.kind not in variadic)


def _edge_faults(spec: StageSpec, edges: Edges) -> Iterator[str]:
    for edge, needs in (("depends on", spec.dependencies), ("reads the stream of", spec.streams)):
        for need in needs:
            if need == spec.name:
                yield f"stage {spec.name!r} {edge} itself; remove that edge"
            elif need not in edges.specs:
                known = ", ".join(repr(name) for name in edges.specs if name != spec.name) or "none"
                yield f"stage {spec.name!r} {edge} {need!r}, which is not in the pipeline; others are: {known}"
            elif edge != "depends on":
                yield from _stream_faults(spec, edges.specs[need], edges)


def _stream_faults(spec: StageSpec, producer: StageSpec, edges: Edges) -> Iterator[str]:
    here = f"stage {spec.name!r} reads the stream of {producer.name!r}"
    if producer.kind not in STREAMING_KINDS:
        yield (
            f"{here}, which does not produce one, being of kind {producer.kind!s}; "
            f"use dependencies, or make {producer.name!r} a TRANSFORM, ENRICH or AGENT"
        )
    if producer.name in spec.dependencies:
        yield (
            f"{here} and waits for it; remove {producer.name!r} from its dependencies: "
            f"its output can be read after its stream"
        )
    elif spec.name not in edges.upstream(spec.name):  # a cycle is a fault of its own
        senders = edges.senders(producer.name)
        awaited = sorted(edges.settled(spec.name) - edges.settled(producer.name))
        held_up = [other for other in awaited if senders.intersection((other, *edges.upstream(other)))]
        if held_up:
            last = max(held_up, key=lambda other: len(edges.upstream(other)))
            yield (
                f"{here}, but starts only after {last!r} has ended, which it cannot while that stream is full: "
                f"each would wait for the other; read the stream in a stage that does not wait for {last!r}"
            )


def _when_faults(spec: StageSpec, edges: Edges) -> Iterator[str]:
    when: object = spec.when
    match when:
        case None:
            return
        case (str(name), str(route)):
            here = f"stage {spec.name!r} runs only when {name!r} says {route!r}"
        case _:
            yield f'stage {spec.name!r} has when={when!r}; give a stage and its route: ("router", "support")'
            return
    router = edges.specs.get(name)
    if router is None:
        yield f"{here}, but {name!r} is not in the pipeline; add it, or correct `when`"
        return
    if router.kind is not StageKind.ROUTE:
        yield f"{here}, but {name!r} is of kind {router.kind!s}; `when` needs a ROUTE stage"
    if name not in edges.settled(spec.name):
        yield (
            f"{here}, but is not downstream of it, so that it may start before {name!r} has decided; "
            f"add {name!r} to its dependencies"
        )
    routes = getattr(router.stage, "routes", None)
    if routes is not None and route not in routes:
        yield f"{here}, which it never does: its routes are {', '.join(map(repr, routes))}"


def _cycles(edges: Edges) -> Iterator[str]:
    """Each cycle with its path, until none is left: a found one is opened to look for the next."""
    needs = {
        name: {need for need in spec.needs if need in edges.specs and need != name}
        for name, spec in edges.specs.items()
    }
    while True:
        try:
            return TopologicalSorter(needs).prepare()
        except CycleError as error:
            path: list[str] = error.args[1]
            yield f"there is a cycle: {' -> '.join(map(repr, path))}; remove one of its edges"
            needs[path[1]].discard(path[0])

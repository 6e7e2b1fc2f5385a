"""Everything that keeps stages from being a pipeline, found at once. Pure.

What strangers pass need not be of the type that is asked for; so nothing here relies on it.
"""

import inspect
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from stageflow.core import StageKind
from stageflow.graph import STREAMING_KINDS, Specs, StageSpec, settled, upstream


def faults(stages: Sequence[StageSpec]) -> Iterator[str]:
    """Every reason why these stages make no pipeline, a sentence each that names the stage and the remedy."""
    if not stages:
        yield "it has no stages: add one with with_stage"
    names = [spec.name for spec in stages]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"stage {name!r} is there twice: give each stage a name of its own"
    specs = {name: stages[names.index(name)] for name in names}
    for spec in stages:
        here = f"stage {spec.name!r}"
        yield from (f"{here}: {fault}" for fault in _stage_faults(spec))
        yield from (f"{here} {fault}" for fault in (*_edge_faults(spec, specs), *_when_faults(spec, specs)))
    yield from _cycles(specs)


def _stage_faults(spec: Any) -> Iterator[str]:
    stage, kind = spec.stage, spec.kind
    called = stage.__name__ if isinstance(stage, type) else type(stage).__name__
    if not isinstance(spec.name, str) or not spec.name:
        yield "a stage's name is a string, and not empty"
    if not inspect.iscoroutinefunction(execute := getattr(stage, "execute", None)):
        lack = f"execute of {called} is not async" if callable(execute) else f"{called} has no execute"
        yield f"{lack}; write `async def execute(self, ctx)`"
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    arguments = inspect.signature(stage).parameters.values() if isinstance(stage, type) else ()
    if needed := [one.name for one in arguments if one.default is one.empty and one.kind not in variadic]:
        yield f"class {called} needs arguments ({', '.join(needed)}); add an instance of it instead"
    if not isinstance(kind, StageKind):
        yield f"its kind is {kind!r}; give a StageKind, here or as the class's `kind`"
    elif (own := getattr(stage, "kind", kind)) is not kind:
        yield f"is added as {kind} but its class says {own}; let them agree"
    if spec.timeout_s is not None and not spec.timeout_s > 0:
        yield f"timeout_s is {spec.timeout_s!r}; it must be more than 0"
    for key in ("inputs", "timer", "event_sink"):
        if key in spec.config:
            yield f"the config key {key!r} is filled by the framework; use another name"


def _edge_faults(spec: StageSpec, specs: Specs) -> Iterator[str]:
    for edge, needs in (("depends on", spec.dependencies), ("reads the stream of", spec.streams)):
        for need in needs:
            if need == spec.name:
                yield f"{edge} itself; remove that edge"
            elif need not in specs:
                known = ", ".join(repr(name) for name in specs if name != spec.name) or "none"
                yield f"{edge} {need!r}, which is not in the pipeline; others are: {known}"
            elif needs is spec.streams:
                yield from (f"{edge} {need!r}{fault}" for fault in _stream_faults(spec, specs[need], specs))


def _stream_faults(spec: StageSpec, producer: StageSpec, specs: Specs) -> Iterator[str]:
    """What is wrong with an edge, as the rest of the sentence that names it."""
    if producer.kind not in STREAMING_KINDS:
        remedy = f"use dependencies, or make {producer.name!r} a TRANSFORM, ENRICH or AGENT"
        yield f", which does not produce one, being of kind {producer.kind!s}; {remedy}"
    if producer.name in spec.dependencies:
        remedy = f"remove {producer.name!r} from its dependencies: its output can be read after its stream"
        yield f" and waits for it; {remedy}"
    elif last := _held_up(spec, producer, specs):
        lock = f"{last!r} has ended, which it cannot while that stream is full: each would wait for the other"
        yield f", but starts only after {lock}; read the stream in a stage that does not wait for {last!r}"


def _held_up(spec: StageSpec, producer: StageSpec, specs: Specs) -> str | None:
    """The last stage that this one waits for and that cannot end before it reads the producer's stream."""
    if spec.name in upstream(specs, spec.name):
        return None  # a cycle is a fault of its own
    stuck = {producer.name, *upstream(specs, producer.name, "streams")}
    awaited = sorted(settled(specs, spec.name) - settled(specs, producer.name))
    held_up = [other for other in awaited if stuck.intersection((other, *upstream(specs, other)))]
    return max(held_up, key=lambda other: len(upstream(specs, other)), default=None)


def _when_faults(spec: StageSpec, specs: Specs) -> Iterator[str]:
    when: object = spec.when
    match when:
        case None:
            return
        case (str(name), str(route)):
            here = f"runs only when {name!r} says {route!r}"
        case _:
            yield f'has when={when!r}; give a stage and its route: ("router", "support")'
            return
    if (router := specs.get(name)) is None:
        yield f"{here}, but {name!r} is not in the pipeline; add it, or correct `when`"
        return
    if router.kind is not StageKind.ROUTE:
        yield f"{here}, but {name!r} is of kind {router.kind!s}; `when` needs a ROUTE stage"
    if name not in settled(specs, spec.name):
        early = f"is not downstream of it, so that it may start before {name!r} has decided"
        yield f"{here}, but {early}; add {name!r} to its dependencies"
    routes = getattr(router.stage, "routes", None)
    if routes is not None and route not in routes:
        yield f"{here}, which it never does: its routes are {', '.join(map(repr, routes))}"


def _cycles(specs: Specs) -> Iterator[str]:
    """Each cycle with its path, until none is left: a found one is opened to look for the next."""
    needs = {name: set(spec.needs).intersection(specs) - {name} for name, spec in specs.items()}
    while True:
        try:
            return TopologicalSorter(needs).prepare()
        except CycleError as error:
            path: list[str] = error.args[1]
            yield f"there is a cycle: {' -> '.join(map(repr, path))}; remove one of its edges"
            needs[path[1]].discard(path[0])

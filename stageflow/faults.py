"""Everything that keeps stages from being a pipeline, found at once. Pure.

What strangers pass need not be of the type that is asked for; so nothing here relies on it.
"""

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

from stageflow.core import StageKind
from stageflow.errors import StageUsageError
from stageflow.frozen import freeze_items
from stageflow.graph import OTHERWISE, STREAMING_KINDS, Specs, StageSpec, settled
from stageflow.interceptors import RetryPolicy, interceptor_faults

FILLED = {"inputs", "timer", "event_sink"}  # the keys of a configuration that the framework fills


def faults(stages: Sequence[StageSpec], interceptors: Sequence[Any] = ()) -> Iterator[str]:
    """Every reason why these stages make no pipeline, a sentence each that names the stage and the remedy."""
    if not stages:
        yield "it has no stages: add one with with_stage"
    for name, count in Counter(spec.name for spec in stages).items():
        if count > 1:
            yield f"stage {name!r} is there twice: give each stage a name of its own"
    specs: Specs = {spec.name: spec for spec in reversed(stages)}  # of two with one name, the first
    specs = {spec.name: specs[spec.name] for spec in stages}
    for spec in stages:
        here = f"stage {spec.name!r}"
        yield from (f"{here}: {fault}" for fault in _stage_faults(spec))
        yield from (f"{here} {fault}" for fault in (*_edge_faults(spec, specs), *_when_faults(spec, specs)))
    yield from list(_cycles(specs)) or _waits_for_itself(specs)
    yield from interceptor_faults(interceptors)


def _stage_faults(spec: Any) -> Iterator[str]:
    if not isinstance(spec.name, str) or not spec.name:
        yield "a stage's name is a string, and not empty"
    yield from _code_faults(spec.stage)
    if not isinstance(spec.kind, StageKind):
        yield f"its kind is {spec.kind!r}; give a StageKind, here or as the class's `kind`"
    if spec.timeout_s is not None and not (isinstance(spec.timeout_s, int | float) and spec.timeout_s > 0):
        yield f"timeout_s is {spec.timeout_s!r}; it must be more than 0"
    if spec.retry is not None and not isinstance(spec.retry, RetryPolicy):
        yield f"retry is {spec.retry!r}; give a RetryPolicy"
    if spec.capacity is not None and not (isinstance(spec.capacity, int) and spec.capacity > 0):
        yield f"capacity is {spec.capacity!r}; it must be a whole number of items, more than 0"
    if spec.capacity is not None and not spec.streams:
        yield "capacity is that of the streams that a stage reads, but it reads none"
    for key in spec.config.keys() & FILLED:
        yield f"the config key {key!r} is filled by the framework; use another name"
    try:
        freeze_items(spec.config, StageUsageError, "its config")
    except StageUsageError as why:
        yield str(why)


def _code_faults(stage: Any) -> Iterator[str]:
    """What is wrong with what is to be executed."""
    called = getattr(stage, "__name__", type(stage).__name__)
    if inspect.isfunction(stage) and not inspect.iscoroutinefunction(inspect.unwrap(stage)):
        yield f"{called} is not async; write `async def {called}(ctx)`"
        return
    if inspect.isroutine(stage):
        return
    execute = inspect.unwrap(getattr(stage, "execute", None))  # type: ignore[arg-type]  # whatever it is
    if inspect.isasyncgenfunction(execute):
        what = f"execute of {called} is a generator, because of its `yield`"
        yield f"{what}; write `async def execute(self, ctx)` that returns, and `await ctx.stream.send(item)`"
    elif not inspect.iscoroutinefunction(execute):
        lack = f"execute of {called} is not async" if callable(execute) else f"{called} has no execute"
        yield f"{lack}; write `async def execute(self, ctx)`"
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    arguments = inspect.signature(stage).parameters.values() if isinstance(stage, type) else ()
    if needed := [one.name for one in arguments if one.default is one.empty and one.kind not in variadic]:
        yield f"class {called} needs arguments ({', '.join(needed)}); add an instance of it instead"


def _edge_faults(spec: StageSpec, specs: Specs) -> Iterator[str]:
    for edge, needs in (("depends on", spec.dependencies), ("reads the stream of", spec.streams)):
        for need in needs:
            if need == spec.name:
                yield f"{edge} itself; remove that edge"
            elif need not in specs:
                known = ", ".join(repr(name) for name in specs if name != spec.name) or "none"
                yield f"{edge} {need!r}, which is not in the pipeline; others are: {known}"
            elif needs is spec.streams:
                yield from (f"{edge} {need!r}{fault}" for fault in _stream_faults(spec, specs[need]))


def _stream_faults(spec: StageSpec, producer: StageSpec) -> Iterator[str]:
    """What is wrong with an edge, as the rest of the sentence that names it."""
    if producer.kind not in STREAMING_KINDS:
        remedy = f"use dependencies, or make {producer.name!r} a TRANSFORM, ENRICH, GUARD or AGENT"
        yield f", which does not produce one, being of kind {producer.kind!s}; {remedy}"
    if producer.name in spec.dependencies:
        remedy = f"remove {producer.name!r} from its dependencies: its output can be read after its stream"
        yield f" and waits for it; {remedy}"


def _when_faults(spec: StageSpec, specs: Specs) -> Iterator[str]:
    when: object = spec.when
    either = " or ".join(map(repr, spec.routes))
    match when:
        case None:
            return
        case (str(name), routes) if routes is OTHERWISE:
            here = f"runs when {name!r} says what no other stage takes"
        case (str(name), _) if spec.routes and all(isinstance(one, str) for one in spec.routes):
            here = f"runs only when {name!r} says {either}"
        case _:
            yield f'has when={when!r}; give a stage and its route: ("router", "support"), or several, or OTHERWISE'
            return
    if (router := specs.get(name)) is None:
        yield f"{here}, but {name!r} is not in the pipeline; add it, or correct `when`"
        return
    if router.kind is not StageKind.ROUTE:
        yield f"{here}, but {name!r} is of kind {router.kind!s}; `when` needs a ROUTE stage"
    if name not in settled(specs, spec.name):
        early = f"is not downstream of it, so that it may start before {name!r} has decided"
        yield f"{here}, but {early}; add {name!r} to its dependencies"
    known = getattr(router.stage, "routes", None)
    if known is not None and (never := [route for route in spec.routes if route not in known]):
        yield f"{here}, but it never says {' or '.join(map(repr, never))}: its routes are {', '.join(map(repr, known))}"


def _cycles(specs: Specs) -> Iterator[str]:
    """Each cycle with its path."""
    needs = {name: set(spec.needs).intersection(specs) - {name} for name, spec in specs.items()}
    for path in _opened(needs):
        yield f"there is a cycle: {' -> '.join(map(repr, path))}; remove one of its edges"
        needs[path[1]].discard(path[0])


Moment = tuple[str, str]  # "start", "flow" or "end", and the stage


def _waits_for_itself(specs: Specs) -> Iterator[str]:
    """Streams that are read too late, or across each other: they hang as soon as there are more items than room.

    One relation over the graph: what must be before what, if every stream has more items than room. A start needs
    the ends of the dependencies and the starts of the producers. An end needs the ends of the producers, and that
    the stage's own stream flows: that its consumers have started, and that theirs flow.
    """
    needs: dict[Moment, set[Moment]] = {}
    for name, spec in specs.items():
        values = [one for one in spec.dependencies if one in specs and one != name]
        streams = [one for one in spec.streams if one in specs and one != name and one not in values]
        needs["start", name] = {("end", one) for one in values}.union(("start", one) for one in streams)
        needs["end", name] = {("start", name), ("flow", name)}.union(("end", one) for one in streams)
        needs.setdefault(("flow", name), set())
        for one in streams:
            needs.setdefault(("flow", one), set()).update({("start", name), ("flow", name)})
    for path in _opened(needs):  # each moment needs the one before it
        late = [(one, other) for one, other in pairwise(path) if one[0] == "start" and other[0] == "flow"]
        yield _lock(path, [(consumer, producer) for (_, consumer), (_, producer) in late])
        consumer, producer = late[0]
        needs[producer].discard(consumer)


def _lock(path: Sequence[Moment], late: Sequence[tuple[str, str]]) -> str:
    """The sentence about a ring of moments; `late` are its stream edges, by consumer and producer."""
    clauses, awaited = [], ""
    for consumer, producer in late:
        at = path.index(("start", consumer))
        around = [*reversed(path[:at]), *reversed(path[at:-1])]  # what the start needs, and so on
        awaited = next(name for moment, name in around if moment == "end")
        late_start = f"but starts only after {awaited!r} has ended"
        clauses.append(f"stage {consumer!r} reads the stream of {producer!r}, {late_start}")
    lock = "which it cannot while that stream is full: each would wait for the other"
    remedy = f"read the stream in a stage that does not wait for {awaited!r}"
    return f"{'; and '.join(clauses)}, {lock}; {remedy}"


def _opened(needs: Mapping[Any, set[Any]]) -> Iterator[Sequence[Any]]:
    """The path of a cycle, until there is none: whoever asks opens one that was found before asking for the next."""
    while True:
        try:
            return TopologicalSorter(needs).prepare()
        except CycleError as error:
            yield error.args[1]

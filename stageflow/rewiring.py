"""Edits of a pipeline's edges, so that the code of its stages need not change. Pure.

A stage's code calls the stages that it reads by name. Where an edit puts another stage in one's place, the name goes
on being answered: an alias says by which stages, in which order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stageflow.frozen import FrozenDict
from stageflow.graph import StageSpec

# Names of stages; or a mapping from the name that the stage's code uses to the stage that answers.
Edges = str | Sequence[str] | Mapping[str, str]
Names = Mapping[str, tuple[str, ...]]


def rewired(spec: StageSpec, dependencies: Edges | None, streams: Edges | None) -> StageSpec:
    """The stage with other edges; None leaves those of a sort as they are."""
    aliases, made = dict(spec.aliases), {"dependencies": spec.dependencies, "streams": spec.streams}
    for sort, edges in (("dependencies", dependencies), ("streams", streams)):
        if isinstance(edges, Mapping):
            aliases.update({called: (name,) for called, name in edges.items() if called != name})
            edges = tuple(edges.values())
        if edges is not None:  # a lone string is one name
            made[sort] = tuple(dict.fromkeys([edges] if isinstance(edges, str) else edges))
    return _edited(spec, aliases, made["dependencies"], made["streams"])


def prefixed(stages: Sequence[StageSpec], prefix: str) -> tuple[StageSpec, ...]:
    """The stages of a part under new names; those that are not of the part keep theirs."""
    new = {spec.name: (f"{prefix}{spec.name}",) for spec in stages}
    made = []
    for spec in stages:
        aliases = new | {called: _in_place(answers, new) for called, answers in spec.aliases.items()}
        edited = _edited(spec, aliases, _in_place(spec.dependencies, new), _in_place(spec.streams, new))
        when = (*_in_place(spec.when[:1], new), spec.when[1]) if spec.when else None
        made.append(replace(edited, name=new[spec.name][0], when=when))  # type: ignore[arg-type]  # a pair
    return tuple(made)


def inserted(spec: StageSpec, before: str, name: str) -> StageSpec:
    """The stage, with `name` on its edge from `before`, answering in its place; then that one."""
    aliases = {before: (before,), **spec.aliases}
    aliases = {called: (name, *them) if them[0] == before else them for called, them in aliases.items()}
    new = {before: (name,)}
    return _edited(spec, aliases, _in_place(spec.dependencies, new), _in_place(spec.streams, new))


def bridged(stages: Sequence[StageSpec], gone: StageSpec) -> tuple[StageSpec, ...]:
    """The stages without `gone`: who read its stream reads what it read; who waited for it waits for what it did."""
    made, through = [], {gone.name: gone.needs}
    for spec in stages:
        if spec.name == gone.name:
            continue
        streams, dependencies = _in_place(spec.streams, {gone.name: gone.streams}), spec.dependencies
        aliases = {called: _in_place(answers, through) for called, answers in spec.aliases.items()}
        if gone.name in spec.dependencies:
            dependencies = _in_place(dependencies, through)
        elif gone.name in spec.streams:
            dependencies = tuple(dict.fromkeys((*dependencies, *gone.dependencies)))
        if gone.name in spec.needs and gone.needs:
            heirs = gone.streams if gone.name in spec.streams and gone.streams else gone.needs
            aliases.setdefault(gone.name, heirs)
        aliases = {called: answers for called, answers in aliases.items() if answers and answers != (called,)}
        made.append(_edited(spec, aliases, tuple(one for one in dependencies if one not in streams), streams))
    return tuple(made)


def _edited(spec: StageSpec, aliases: Names, waits_for: Sequence[str], streams: Sequence[str]) -> StageSpec:
    edges = {"dependencies": tuple(waits_for), "streams": tuple(streams)}
    return replace(spec, aliases=FrozenDict(aliases), **edges)  # type: ignore[arg-type]  # by the names above


def _in_place(names: Sequence[str], new: Names) -> tuple[str, ...]:
    """The names, with others in the place of some, each once."""
    found = [one for name in names for one in new.get(name, (name,))]
    return tuple(dict.fromkeys(found))

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


def rewired(spec: StageSpec, dependencies: Edges | None, streams: Edges | None) -> StageSpec:
    """The stage with other edges; None leaves those of a sort as they are."""
    aliases = dict(spec.aliases)
    made = {"dependencies": spec.dependencies, "streams": spec.streams}
    for sort, edges in (("dependencies", dependencies), ("streams", streams)):
        if edges is None:
            continue
        if isinstance(edges, Mapping):
            aliases.update({called: (name,) for called, name in edges.items() if called != name})
            edges = tuple(edges.values())
        made[sort] = tuple(
            dict.fromkeys([edges] if isinstance(edges, str) else edges)
        )  # a lone string is one name
    return replace(spec, **made, aliases=FrozenDict(aliases))  # type: ignore[arg-type]  # by the names above


def prefixed(stages: Sequence[StageSpec], prefix: str) -> tuple[StageSpec, ...]:
    """The stages of a part under new names; those that are not of the part keep theirs."""
    new = {spec.name: f"{prefix}{spec.name}" for spec in stages}

    def renamed(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(new.get(name, name) for name in names)

    made = []
    for spec in stages:
        aliases: dict[str, tuple[str, ...]] = {name: (other,) for name, other in new.items()}
        aliases |= {name: renamed(others) for name, others in spec.aliases.items()}
        when = (new.get(spec.when[0], spec.when[0]), spec.when[1]) if spec.when else None
        edges = {"dependencies": renamed(spec.dependencies), "streams": renamed(spec.streams)}
        made.append(replace(spec, name=new[spec.name], when=when, aliases=FrozenDict(aliases), **edges))  # type: ignore[arg-type]
    return tuple(made)


def inserted(spec: StageSpec, before: str, name: str) -> StageSpec:
    """The stage, with `name` on its edge from `before`, answering in its place; then that one."""
    aliases = dict(spec.aliases)
    for called in (*aliases, before):
        answers = aliases.get(called, (called,))
        if answers[0] == before:
            aliases[called] = (name, *answers)
    edges = {
        sort: tuple(name if one == before else one for one in getattr(spec, sort))
        for sort in ("dependencies", "streams")
    }
    return replace(spec, aliases=FrozenDict(aliases), **edges)  # type: ignore[arg-type]  # by the names above


def bridged(stages: Sequence[StageSpec], gone: StageSpec) -> tuple[StageSpec, ...]:
    """The stages without `gone`: who read its stream reads what it read; who waited for it waits for what it did."""
    made = []
    for spec in stages:
        if spec.name == gone.name:
            continue
        streams = _in_place(spec.streams, gone.name, gone.streams)
        needs = gone.needs if gone.name in spec.dependencies else gone.dependencies
        waits = spec.dependencies if gone.name in spec.dependencies else (*spec.dependencies, gone.name)
        is_needed = gone.name in spec.needs
        dependencies = _in_place(waits, gone.name, needs) if is_needed else spec.dependencies
        aliases = {
            called: _in_place(answers, gone.name, gone.needs) for called, answers in spec.aliases.items()
        }
        if is_needed and gone.needs:
            heirs = gone.streams if gone.name in spec.streams and gone.streams else gone.needs
            aliases.setdefault(gone.name, heirs)
        aliases = {called: answers for called, answers in aliases.items() if answers and answers != (called,)}
        dependencies = tuple(one for one in dependencies if one not in streams)
        made.append(replace(spec, dependencies=dependencies, streams=streams, aliases=FrozenDict(aliases)))
    return tuple(made)


def _in_place(names: Sequence[str], gone: str, instead: Sequence[str]) -> tuple[str, ...]:
    found = [one for name in names for one in (instead if name == gone else (name,))]
    return tuple(dict.fromkeys(found))

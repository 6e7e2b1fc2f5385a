"""Routes a turn to one of several agents by rules: a ROUTE stage that reads the person's words.

Rules are fast, free and explain themselves. A conversation stays with its agent until another one is asked
for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stageflow.core import StageContext, StageKind, StageOutput
from stages.contract import NAMED_ROUTE, PREVIOUS_ROUTE, ROUTER, STT, TEXT
from stages.errors import StageSettingsError
from stages.runtime.threads import in_thread
from stages.text.matching import Matcher, Readings, faults, is_dear

_LOOKED_AT_CHARS = 10_000
"""Of what was said, from its beginning: what people say in a turn is less, and reading more holds others up."""

_STAYS = 0.5
"""Confidence in a route that is kept because nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way a turn can go, and what it is known by: whole words or phrases, and regular expressions."""

    name: str
    keywords: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    description: str = ""
    """For people, and for routers that ask a model."""
    sticky: bool = True
    """Whether a conversation stays on it until another one is asked for."""


class RouterStage:
    """Picks the route that most keywords and patterns speak for; among equals the previous one, or the first.

    When none does, the turn stays on the previous route, if there is one, or takes the one that the client has named,
    or the default. The output is `route`, `confidence` (the share of the evidence that speaks for it, one half for
    staying, zero for the default) and `why` (of what was said it holds configured words only).
    """

    name = ROUTER
    kind = StageKind.ROUTE

    def __init__(self, routes: Sequence[Route], default: str, *, words: str = STT) -> None:
        """`words` is the stage that gives the person's words. Raises StageSettingsError with everything that is wrong
        with the routes."""
        found = list(_faults(routes, default))
        if found:
            raise StageSettingsError("the router", found)
        self._routes = tuple((route.name, Matcher(route.keywords, route.patterns)) for route in routes)
        self._sticky = frozenset(route.name for route in routes if route.sticky)
        self._default = default
        self._words = words
        self.reads = (words,)
        """Names of the stages whose data it needs."""

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Decide; waits only where there is much to look through."""
        text = str(ctx.inputs.get_from(self._words, TEXT, default=""))[:_LOOKED_AT_CHARS]
        dear = is_dear((matcher for _, matcher in self._routes), text)
        evidence = await in_thread(self._evidence, text) if dear else self._evidence(text)
        return self._decide(ctx, evidence)

    def _evidence(self, text: str) -> Mapping[str, Sequence[str]]:
        readings = Readings.of(text)
        return {name: list(matcher.find(readings)) for name, matcher in self._routes}

    def _decide(self, ctx: StageContext, evidence: Mapping[str, Sequence[str]]) -> StageOutput:
        previous = ctx.snapshot.metadata.get(PREVIOUS_ROUTE)
        total = sum(map(len, evidence.values()))
        if total:
            route = max(evidence, key=lambda name: (len(evidence[name]), name == previous))
            why = f"matched {', '.join(evidence[route])}"
            return StageOutput.ok(route=route, confidence=len(evidence[route]) / total, why=why)
        if previous in self._sticky:
            return StageOutput.ok(route=previous, confidence=_STAYS, why="stays on the previous route")
        named = ctx.snapshot.metadata.get(NAMED_ROUTE)
        if named in evidence:
            return StageOutput.ok(route=named, confidence=0.0, why="named by the client")
        return StageOutput.ok(route=self._default, confidence=0.0, why="default")


def _faults(routes: Sequence[Route], default: str) -> Iterator[str]:
    names = [route.name for route in routes]
    if default not in names:
        yield f"the default {default!r} is not among the routes ({', '.join(names) or 'there are none'})"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"route {name!r} is there more than once"
    for at, route in enumerate(routes):
        if not route.name.strip():
            yield f"route {at + 1} has no name"
        yield from (f"route {route.name!r}: {fault}" for fault in faults(route.keywords, route.patterns))

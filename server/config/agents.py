"""What an operator composes: agents, the routes that lead to them, their tools. Written in a file or in Python."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from server.config.functions import imported, tools_of
from server.config.guarding import GuardRule, rule_faults
from server.config.tool_servers import ToolServer, server_faults
from server.tools.operator_servers import OperatorServer, prefix_of
from stageflow.errors import StageUsageError, ToolDeclarationError
from stageflow.pipeline import Pipeline
from stageflow.tools import Tool
from stages.contract import PipelineHook
from stages.ports import MAX_PHRASE_CHARS, MAX_PHRASES, Expects
from stages.providers.registry import ProviderFault
from stages.text.matching import faults as match_faults

DEFAULT_AGENT = "assistant"


class Agent(BaseModel):
    """An agent: what it is told, which model it has, which voice and which tools."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(DEFAULT_AGENT, min_length=1, max_length=80)
    instructions: str = Field(
        "", max_length=20_000, description="what this agent is told besides the server's"
    )
    llm: Any = Field(
        None,
        description="its language model, if not the server's: a name, a table with `use` and settings, in Python also "
        "a class or an object",
    )
    voice: str | None = Field(
        None,
        description="a voice of the synthesiser's, with which it speaks unless the client chooses another",
    )
    tools: tuple[Any, ...] | None = Field(
        None,
        description="the tools it may call: names, `module:function`, in Python also functions; all those of the "
        "server if not given",
    )
    greeting: str | None = Field(
        None, min_length=1, max_length=1_000, description="what the first agent says when a session begins"
    )
    expects: Expects | None = Field(
        None, description="what kind of answer it asks for, unless its model says so"
    )
    max_tokens: int | None = Field(None, ge=1, le=100_000, description="of one answer")
    phrases: tuple[Annotated[str, Field(max_length=MAX_PHRASE_CHARS)], ...] = Field(
        (),
        max_length=MAX_PHRASES,
        description="words that are likely to be said to it, such as names, for recognisers that listen for words",
    )


class Route(BaseModel):
    """What leads to an agent: words that are said, or nothing else said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: str = Field(description="the name of the agent that it leads to")
    keywords: tuple[str, ...] = Field((), description="whole words or phrases")
    patterns: tuple[str, ...] = Field((), description="regular expressions of RE2")
    default: bool = Field(
        False, description="whether it is taken when nothing that was said matches any route"
    )
    voice: str | None = Field(
        None, description="with which the agent speaks when this route has led to it, if not with its own"
    )
    sticky: bool = Field(
        True, description="whether the conversation stays there until another agent is asked for"
    )


@dataclass(frozen=True, slots=True)
class Composition:
    """The agents of a server, the routes that lead to them, and what else is composed."""

    agents: tuple[Agent, ...] = (Agent(),)
    routes: tuple[Route, ...] = ()
    tools: tuple[Any, ...] = ()
    """Tools, functions, or `module:function`."""
    pipeline: Any = None
    """A function from `stageflow.Pipeline` to `stageflow.Pipeline`, or `module:function`."""
    guard: tuple[GuardRule, ...] = ()
    servers: tuple[ToolServer, ...] = ()


@dataclass(frozen=True, slots=True)
class Crew:
    """A composition that has been checked: everything that it names is there."""

    agents: tuple[Agent, ...] = (Agent(),)
    routes: tuple[Route, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By agent, the names of the tools that it may call, or how they begin (`shop__*`); all if it is not there."""
    hook: PipelineHook | None = None
    guard: tuple[GuardRule, ...] = ()
    servers: tuple[OperatorServer, ...] = ()
    are_tools_whole: bool = True
    """Whether every tool that was named could be made one."""

    @property
    def voices(self) -> Mapping[str, str]:
        """By agent, its voice, where not all speak with the same: that of its route, or its own."""
        of_routes = {route.agent: route.voice for route in self.routes if route.voice}
        voices = {agent.name: of_routes.get(agent.name) or agent.voice for agent in self.agents}
        if len({*voices.values()}) == 1 and not of_routes:
            return {}
        return {name: voice for name, voice in voices.items() if voice}

    @property
    def default_agent(self) -> str:
        """The agent that answers when no route matches."""
        return next((route.agent for route in self.routes if route.default), self.agents[0].name)


def assemble(composition: Composition, of_model: Collection[str] = ()) -> tuple[Crew, tuple[str, ...]]:
    """The agents with all that they name, and every fault: a line each. Imports what is named, and nothing else.
    `of_model` are the names of tools that the language model brings itself."""
    agents = composition.agents or (Agent(),)
    faults = list(_route_faults(agents, composition.routes))
    found = _Found(of_model, faults)
    found.collect(composition.tools, "tools.functions")
    faults += server_faults(composition.servers)
    all_of = {server.name: f"{prefix_of(server.name)}*" for server in composition.servers}
    general = frozenset((*found.tools, *all_of.values()))
    named = dict[str, frozenset[str]]()
    for agent in agents:
        wanted = agent.tools or ()
        own = [one for one in wanted if not (isinstance(one, str) and one in all_of)]
        mine = found.collect(own, f"agents.{agent.name}.tools")
        mine |= {all_of[one] for one in wanted if isinstance(one, str) and one in all_of}
        named[agent.name] = general if agent.tools is None else mine
    if set(map(frozenset, named.values())) == {frozenset((*found.tools, *all_of.values()))}:
        named = {}  # everybody may call everything
    hook = _hook(composition.pipeline, faults)
    faults += rule_faults(composition.guard)
    servers = () if faults else tuple(server.read() for server in composition.servers)
    made = tuple(found.tools.values())
    crew = Crew(agents, composition.routes, made, named, hook, composition.guard, servers, found.lost == 0)
    return crew, tuple(faults)


def without_faults(crew: Crew) -> Crew:
    """As much of a crew as a pipeline can be tried with, whatever is wrong with its agents, routes and tools."""
    agents = {agent.name: agent for agent in reversed(crew.agents)}
    routes = tuple(Route(agent=name) for name in agents) if len(agents) > 1 else ()
    return Crew(tuple(agents.values()), routes, hook=crew.hook)


@dataclass(slots=True)
class _Found:
    """The tools that are named, while they are being found."""

    of_model: Collection[str]
    faults: list[str]
    tools: dict[str, Tool] = field(default_factory=dict)
    lost: int = 0
    """How many could not be made tools, whose names are not known."""

    def collect(self, wanted: Sequence[Any], place: str) -> frozenset[str]:
        """Add the tools that are wanted; their names."""
        names = set[str]()
        for one in wanted:
            if isinstance(one, str) and one in self.tools:
                names.add(one)
                continue
            try:
                found = tools_of(one)
            except (ToolDeclarationError, StageUsageError, ProviderFault, ValueError) as error:
                self.faults.append(f"{place}: {error}")
                self.lost += 1
                continue
            for made in found:
                self._add(made, place)
                names.add(made.name)
        return frozenset(names)

    def _add(self, made: Tool, place: str) -> None:
        there = self.tools.setdefault(made.name, made)
        if there.function is not made.function:
            self.faults.append(f"{place}: two tools are called {made.name!r}; give one of them another name")
        if made.name in self.of_model and there is made:
            brought = f"the language model brings a tool {made.name!r} itself"
            self.faults.append(f"{place}: {brought}; give yours another name")


def _hook(wanted: Any, faults: list[str]) -> PipelineHook | None:
    if wanted is None:
        return None
    try:
        found = imported(wanted) if isinstance(wanted, str) else wanted
    except ValueError as error:
        faults.append(f"pipeline.hook: {error}")
        return None
    if isinstance(found, Pipeline):
        return partial(_instead, found)
    if not callable(found):
        faults.append(f"pipeline.hook: {wanted} is no function from a pipeline to a pipeline")
        return None
    made: PipelineHook = found
    return made


def _instead(pipeline: Pipeline, _: Pipeline) -> Pipeline:
    return pipeline


def _route_faults(agents: Sequence[Agent], routes: Sequence[Route]) -> Iterator[str]:
    names = [agent.name for agent in agents]
    yield from (
        f"agents: {count} are called {name!r}; give each a name of its own" for name, count in _twice(names)
    )
    for name, count in _twice(route.agent for route in routes):
        yield f"routes: {count} lead to {name!r}; put their keywords and patterns into one"
    for route in routes:
        if route.agent not in names:
            yield f"routes: {route.agent!r} is no agent; there are {', '.join(names)}"
        yield from (
            f"routes.{route.agent}: {fault}" for fault in match_faults(route.keywords, route.patterns)
        )
    if len(names) > 1:
        for name in dict.fromkeys(names):
            if not any(route.agent == name for route in routes):
                remedy = f"add [[routes]] with agent = {name!r}, and keywords or default = true"
                yield f"agents: no route leads to {name!r}; {remedy}"
    defaults = [route.agent for route in routes if route.default]
    if len(defaults) > 1:
        yield f"routes: {len(defaults)} are the default ({', '.join(defaults)}); one can be"
    yield from _differences(agents)


def _differences(agents: Sequence[Agent]) -> Iterator[str]:
    """What may not differ between agents."""
    for agent in agents[1:]:
        if agent.greeting:
            yield f"agents.{agent.name}.greeting: the first agent greets; move it there"


def _twice(names: Iterable[str]) -> Iterator[tuple[str, int]]:
    return ((name, count) for name, count in Counter(names).items() if count > 1)

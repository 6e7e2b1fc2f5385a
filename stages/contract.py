"""What the stages of a turn and the server agree on: names, keys, events, and what each outcome means. Pure.

The server reads no other names than these, so a stage of somebody's own that keeps to them takes the place of a
built-in one. `check_pipeline` says what a pipeline lacks to be run by the server.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Self

from stageflow.core import StageKind
from stageflow.faults import faults
from stageflow.graph import StageSpec, upstream
from stageflow.pipeline import Pipeline, PipelineCancelled, PipelineGraph
from stageflow.tools import ToolCall
from stages.ports import Usage

# --- names of stages ----------------------------------------------------------------------------------------

STT, GUARD, ROUTER, AGENT, TTS = "stt", "guard", "router", "agent", "tts"
"""The stages of the standard pipeline. `stt` and `tts` must be there: by them a turn comes in and goes out."""

# --- keys of a stage's data ---------------------------------------------------------------------------------

TEXT = "text"
"""What was said: of `stt` by the person, of an agent by the agent."""
RESPONSE = "response"
"""The same of an agent, as Building Stages has it."""
ROUTE = "route"
DECLINED = "declined"
"""In the data of a `cancel` that ends a turn in which there was nothing to answer."""
REFUSAL = "refusal"
"""In the data of a guard's `cancel`: what to say instead."""
TEXTS = "texts"
"""The places, among all texts that a guard was given, of those that it blames; without it, all."""

ENRICHMENTS = ("profile", "memory", "documents")
"""What ENRICH stages give under these keys is told to the agent's model."""

# --- keys of the run's configuration and of the snapshot's metadata -------------------------------------------

HEARD_UNTIL = "heard_until"
"""Configuration: a function that says until when all that was said is heard, as the loop counts time."""
UNPROMPTED = "unprompted"
"""Configuration: a turn without words goes on, for the agent to speak first."""
VOICE, SPEED, MAX_TOKENS, LANGUAGE = "voice", "speed", "max_tokens", "language"
CLIENT_TOOLS, TOOL_CHOICE = "client_tools", "tool_choice"

PREVIOUS_ROUTE = "route"
"""Metadata: the conversation's last route."""
NAMED_ROUTE = "named_route"
"""Metadata: the one that the client has named; where there is one of that name, it takes the default's place."""
UNGUARDED = "unguarded"
"""Metadata: a tuple of texts that the person said before, and no guard has judged yet."""

# --- events -------------------------------------------------------------------------------------------------

CALLED = "tools.called"
"""Event of an agent's: `calls` of `client_tools`, which come again in its output."""

PRIVATE_EVENTS = (CALLED,)
"""Events that the stages and the server have among themselves; all others of a stage's reach the client."""

# --- outcomes -----------------------------------------------------------------------------------------------


PipelineHook = Callable[[Pipeline], Pipeline]
"""Edits the standard pipeline: insert, replace, remove, add stages, and return what came of it."""


@dataclass(frozen=True, slots=True)
class AgentOutcome:
    """What an agent's data means. All of it may be left out; `text` may be called `response`."""

    text: str | None = None
    """The whole answer. Spoken if the agent has sent nothing into its stream."""
    route: str | None = None
    usage: Usage = Usage()
    tool_calls: tuple[Any, ...] = ()
    """Tools that have run (`stages.agent.ToolUse`)."""
    client_calls: tuple[ToolCall, ...] = ()
    """Calls of tools that are run elsewhere; they end the turn."""
    finish_reason: str = "stop"
    expects: Any = None
    """What kind of answer its question asks for (`stages.ports.Expects`)."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The outcome in a stage's data; what is not of the type that is asked for counts as left out."""
        text = data.get(TEXT, data.get(RESPONSE))
        usage, reason = data.get("usage"), data.get("finish_reason")
        return cls(
            text=text if isinstance(text, str) else None,
            route=data[ROUTE] if isinstance(data.get(ROUTE), str) else None,
            usage=usage if isinstance(usage, Usage) else Usage(),
            tool_calls=_all_of(object, data.get("tool_calls")),
            client_calls=_all_of(ToolCall, data.get("client_calls")),
            finish_reason=reason if isinstance(reason, str) else "stop",
            expects=data.get("expects"),
        )

    def data(self) -> dict[str, Any]:
        """As a stage gives it, under both names for the text."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {RESPONSE: self.text}

    @property
    def says_something(self) -> bool:
        """Whether it answers: with words, with calls, or with a text that is empty on purpose."""
        return self.text is not None or bool(self.client_calls)


def _all_of(kind: type, given: object) -> tuple[Any, ...]:
    items = given if isinstance(given, list | tuple) else ()
    return tuple(item for item in items if isinstance(item, kind))


@dataclass(frozen=True, slots=True)
class Stop:
    """What it means that a stage has cancelled a turn."""

    stage: str
    refusal: str | None = None
    """What to say instead; None where nothing is said, because there was nothing to answer."""
    blamed: tuple[int, ...] | None = None
    """The places of the texts that are to blame; None for all."""
    blames_person: bool = False
    """Whether the person's words were blocked, and not the agent's."""

    @classmethod
    def of(cls, stop: PipelineCancelled, stages: Sequence[StageSpec], refusal: str) -> Self:
        """`refusal` is what is said when a guard has no words of its own."""
        spec = next((spec for spec in stages if spec.name == stop.stage), None)
        own, texts = stop.data.get(REFUSAL), stop.data.get(TEXTS)
        is_guard = spec is not None and spec.kind is StageKind.GUARD and not stop.data.get(DECLINED)
        said = own if isinstance(own, str) and own.strip() else (refusal if is_guard else None)
        blamed = tuple(texts) if isinstance(texts, tuple) else None
        return cls(stop.stage, said, blamed, stop.stage not in _guards_of_answers(stages))


def route_of(data: Mapping[str, Any]) -> str | None:
    """The route that a router has chosen."""
    route = data.get(ROUTE)
    return route if isinstance(route, str) else None


# --- what the stages of a pipeline are for --------------------------------------------------------------------


def in_stream_before(specs: Mapping[str, StageSpec], name: str) -> set[str]:
    """The stages whose stream reaches this one, through others or not."""
    found: set[str] = set()
    pending = [name]
    while pending:
        new = [one for one in specs[pending.pop()].streams if one in specs and one not in found]
        found.update(new)
        pending += new
    return found


@dataclass(frozen=True, slots=True)
class Roles:
    """What the server must know of the stages of a pipeline."""

    agents: tuple[str, ...]
    gate: frozenset[str]
    """GUARD stages that must end before anything of the answer may be let out."""
    deciders: frozenset[str]
    """Stages that have a limited time to decide: guards and routers that have all they need when they start."""
    words_before: frozenset[str]
    """Stages that start when `stt` has ended."""


@lru_cache(maxsize=64)
def roles_of(graph: PipelineGraph) -> Roles:
    """The roles of a graph's stages, found once for each graph."""
    specs = {spec.name: spec for spec in graph.stages}
    in_line = in_stream_before(specs, TTS) if TTS in specs else set()
    guards = [spec for spec in graph.stages if spec.kind is StageKind.GUARD]
    routers = [spec for spec in graph.stages if spec.kind is StageKind.ROUTE]
    # A guard in the line of the voice holds back itself what it has not judged.
    gate = (spec.name for spec in guards if not (spec.streams and spec.name in in_line))
    return Roles(
        agents=tuple(spec.name for spec in graph.stages if spec.kind is StageKind.AGENT),
        gate=frozenset(gate),
        deciders=frozenset(spec.name for spec in (*guards, *routers) if not spec.streams),
        words_before=frozenset(name for name in specs if STT in upstream(specs, name)),
    )


def _guards_of_answers(stages: Sequence[StageSpec]) -> set[str]:
    """GUARD stages that judge what an agent says."""
    specs = {spec.name: spec for spec in stages}
    agents = {spec.name for spec in stages if spec.kind is StageKind.AGENT}
    return {
        spec.name
        for spec in stages
        if spec.kind is StageKind.GUARD and not agents.isdisjoint(upstream(specs, spec.name))
    }


# --- what a pipeline must have --------------------------------------------------------------------------------


def check_pipeline(pipeline: Pipeline) -> tuple[str, ...]:
    """Every reason why the server cannot run these stages as a turn, each with its remedy; none if it can."""
    found = list(faults(pipeline.stages))
    specs = {spec.name: spec for spec in pipeline.stages}
    if found and len(specs) < len(pipeline.stages):
        return tuple(found)  # which of two stages of one name is meant?
    found += _missing(specs)
    if TTS in specs:
        found += _unspoken(specs)
    for spec in pipeline.stages:
        found += (
            f"stage {spec.name!r} {fault}"
            for fault in (*_fails_open(spec, specs), *_holds_up(spec, specs), *_unread(spec, specs))
        )
    return tuple(found)


def _missing(specs: Mapping[str, StageSpec]) -> Iterator[str]:
    if STT not in specs:
        yield f"there is no stage {STT!r}, which gives the person's words: keep it, or give yours that name"
    if TTS not in specs:
        yield f"there is no stage {TTS!r}, which speaks the answer: keep it, or give yours that name"
    if not any(spec.kind is StageKind.AGENT for spec in specs.values()):
        yield "there is no agent: add a stage of kind AGENT, whose stream the voice reads"


def _unspoken(specs: Mapping[str, StageSpec]) -> Iterator[str]:
    """Agents that nobody hears."""
    heard = in_stream_before(specs, TTS)
    if not specs[TTS].streams:
        yield f"stage {TTS!r} reads no stream: add streams=({AGENT!r},), or what it is to speak"
    for spec in specs.values():
        if spec.kind is StageKind.AGENT and spec.name not in heard:
            read = any(spec.name in other.streams for other in specs.values())
            lack = "does not reach the voice" if read else "is read by nobody"
            yield (
                f"the stream of agent {spec.name!r} {lack}, so that what it says is not spoken: "
                f"add {spec.name!r} to the streams of {TTS!r}, or of a stage that {TTS!r} reads"
            )


def _fails_open(spec: StageSpec, specs: Mapping[str, StageSpec]) -> Iterator[str]:
    """Stages whose failure nobody would notice."""
    if not spec.optional:
        return
    if spec.kind is StageKind.GUARD:
        yield "is a guard, and what it could not judge would be heard: leave optional=True out"
    elif spec.name in (STT, TTS) or (TTS in specs and spec.name in in_stream_before(specs, TTS)):
        yield (
            "is one that every answer passes through, and what it failed to give would be missing from it without a "
            "word: leave optional=True out"
        )


def _holds_up(spec: StageSpec, specs: Mapping[str, StageSpec]) -> Iterator[str]:
    """WORK stages that would delay speech."""
    if spec.kind is StageKind.WORK:
        for name in spec.streams:
            yield (
                f"is of kind WORK and reads the stream of {name!r}, which waits for its slowest reader, so that it "
                f"would delay speech: give it dependencies=({name!r},) instead"
            )
        return
    for name in spec.needs:
        if name in specs and specs[name].kind is StageKind.WORK:
            yield (
                f"waits for {name!r}, which is of kind WORK and must not delay an answer: make {name!r} an ENRICH if "
                f"its result is needed, or take it out of what {spec.name!r} needs"
            )


def _unread(spec: StageSpec, specs: Mapping[str, StageSpec]) -> Iterator[str]:
    """Names that a stage's code asks for, and nobody answers."""
    reads: object = getattr(spec.stage, "reads", ())
    there = upstream(specs, spec.name)
    for name in reads if isinstance(reads, tuple) else ():
        if name in there or any(one in there for one in spec.aliases.get(name, ())):
            continue
        yield (
            f"reads what {name!r} gives, and there is no such stage before it: add {name!r} to its dependencies, or "
            "make it with the name of the stage that it is to read"
        )

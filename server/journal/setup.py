"""What a session was made of, written down so that it can be made again: without providers, keys and secrets.

Of the settings only those are kept that a session's answers depend on (`_KEPT`). What an operator has composed in
Python cannot be written down: of tools their descriptions are, and a replay runs none; a pipeline's hook is named, and
whoever replays has to bring it.
"""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Any

from server.config.agents import Agent, Crew, Route
from server.config.guarding import GuardRule
from server.config.providers import Providers
from server.config.settings import Settings
from server.config.sources import SessionSources
from server.config.waits import Interruption, Waits
from server.dialects.registry import DIALECTS, DialectTable, Opening, SessionDialect
from server.domain.limits import Limits
from server.domain.values import ResumeOffer
from server.domain.voice_events import ProviderUse
from server.domain.wire import ResumableDialect, Wire
from server.journal.detectors import door_vad
from server.journal.door import Door
from server.journal.file import JournalError
from server.journal.origin import code_version
from server.journal.seams import (
    DoorModel,
    DoorRecogniser,
    DoorToolServers,
    DoorTurnEnds,
    door_voice,
)
from server.journal.sessions import DoorSession, Made
from server.journal.tools import door_model, door_tools
from server.session.going_on import greet_back, restore
from server.session.key_quota import KeyQuota
from server.session.services import Services
from server.session.snapshot import Snapshot
from server.session.turn_reports import NoObserver
from stages.contract import PipelineHook
from stages.providers.calls import label_alike

_KEPT = (
    "language",
    "phrases",
    "instructions",
    "turn_detection",
    "eagerness",
    "silence_duration_ms",
    "echo_cancellation",
    "lead_ms",
    "unreported_lead_ms",
    "output_chunk_ms",
    "guard_words",
    "guard_patterns",
    "guard_max_chars",
    "guard_refusal",
    "confirmed_tools",
)
_GROUPS: Mapping[str, Callable[..., Any]] = {
    "interruption": Interruption,
    "deadlines": Waits,
    "limits": Limits,
}
_FORMAT = 2
"""Of what is written down here; in 1 a session's purpose, and the parts of a fault, had the words of Realtime."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a session came to be."""

    path: str
    subprotocol: str | None
    opening: Opening
    owner: str | None = None
    offer: ResumeOffer | None = None
    restored: Snapshot | None = None
    """An earlier session that goes on."""
    last_seq: int | None = None
    """The last frame that its client has got, where another node has begun it and the client takes it for the same."""


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What stands beyond the door of a session that is recorded."""

    wire: Wire
    dialect: SessionDialect
    providers: Providers
    quota: KeyQuota


def setup_of(sources: SessionSources, beginning: Beginning, seed: bytes) -> dict[str, Any]:
    """What is written down of a session."""
    settings, crew, opening = sources.settings, sources.crew, beginning.opening
    hook = crew.hook
    return {
        "format": _FORMAT,
        "code": code_version(),
        "seed": seed,
        "settings": {name: getattr(settings, name) for name in _KEPT}
        | {name: getattr(settings, name).model_dump() for name in _GROUPS},
        "agents": [agent.model_dump(mode="json", exclude={"llm", "tools"}) for agent in crew.agents],
        "own_models": sorted(sources.providers.models),
        "routes": [route.model_dump(mode="json") for route in crew.routes],
        "guard": [rule.model_dump(mode="json") for rule in crew.guard],
        "tool_names": {name: sorted(names) for name, names in crew.tool_names.items()},
        "hook": None if hook is None else f"{hook.__module__}:{getattr(hook, '__qualname__', '')}",
        "prepared": dict(sources.services.pipelines.prepared),
        "providers": list(sources.providers.names),
        "languages": sources.providers.languages,
        "has_end_of_turn": sources.providers.end_of_turn is not None,
        "has_tool_servers": sources.providers.tool_servers is not None,
        "path": beginning.path,
        "subprotocol": beginning.subprotocol,
        "address": opening.address,
        "config": opening.config,
        "abilities": opening.abilities,
        "max_clips_s": opening.max_clips_s,
        "hosting": opening.hosting,
        "pinned": opening.pinned,
        "not_honoured": opening.not_honoured,
        "restored": beginning.restored,
        "last_seq": beginning.last_seq,
        "owner": beginning.owner,
        "offer": None if beginning.offer is None else [beginning.offer.token, beginning.offer.grace_s],
    }


def make_session(
    door: Door,
    setup: Mapping[str, Any],
    sources: SessionSources | None = None,
    live: LiveParts | None = None,
    *,
    dialects: DialectTable = DIALECTS,
    hook: PipelineHook | None = None,
) -> DoorSession:
    """The session of a setup: with what is live beyond the door, or in a replay without. Raises JournalError."""
    if setup["format"] != _FORMAT:
        raise JournalError(f"this recording is of another version ({setup['format']})")
    if setup["hook"] is not None and hook is None and sources is None:
        raise JournalError(f"the pipeline was edited by {setup['hook']}: name the server that has it (--app)")
    dialect = _dialect(door, setup, dialects) if live is None else live.dialect
    offer = None if setup["offer"] is None else ResumeOffer(*setup["offer"])
    last_seq: Any = setup.get("last_seq")
    restored: Any = setup["restored"]
    goes_on = live is None and last_seq is not None and offer is not None
    if goes_on and isinstance(dialect, ResumableDialect):
        restore(dialect, restored, last_seq, door.ids)
    made = Made(
        dialect,
        _services(door, setup, sources, live, hook),
        None if live is None else live.wire,
        None if live is None else live.quota,
        setup["owner"],
        offer,
        restored,
    )
    session = DoorSession(door, made)
    if goes_on and isinstance(dialect, ResumableDialect) and offer is not None:
        greet_back(session.link, dialect, restored, last_seq, offer)
    return session


def _dialect(door: Door, setup: Mapping[str, Any], dialects: DialectTable) -> SessionDialect:
    route = dialects.find(setup["path"], setup["subprotocol"])
    if route is None:
        raise JournalError(f"nothing is spoken here at {setup['path']} ({setup['subprotocol']})")
    opening = Opening(
        setup["config"],
        setup["abilities"],
        setup["max_clips_s"],
        setup["hosting"],
        setup["pinned"],
        door.ids,
        setup["address"],
        setup["not_honoured"],
    )
    return route.make(opening)


def _services(
    door: Door, setup: Mapping[str, Any], sources: SessionSources | None, live: LiveParts | None, hook: Any
) -> Services:
    crew = _crew(door, setup, sources, hook)
    providers = _providers(door, setup, None if live is None else live.providers)
    settings = _settings(setup["settings"]) if sources is None else sources.settings
    beyond: Any = None if sources is None else sources.services
    of_process = {
        "unix_time_s": lambda: door.notes.read("unix_time_s", lambda: beyond.unix_time_s()),
        "may_wait": lambda: door.notes.read("may_wait", lambda: beyond.may_wait()),
        "uses": partial(_uses, door),
        "observer": NoObserver() if sources is None else sources.services.observer,
    }
    services = SessionSources.of(settings, providers, crew, **of_process).services
    return replace(services, pipelines=replace(services.pipelines, prepared=setup["prepared"]))


def _uses(door: Door, found: tuple[ProviderUse, ...]) -> tuple[ProviderUse, ...]:
    """As they were found beyond the door: providers, and chains of them, are not in a replay."""
    calls = door.notes.read("uses", lambda: [list(astuple(use)) for use in found])
    return tuple(ProviderUse(*call) for call in calls or ())


def _settings(kept: Mapping[str, Any]) -> Settings:
    groups = {name: make(**kept[name]) for name, make in _GROUPS.items()}
    return Settings.model_construct(**{**kept, **groups})


def _crew(door: Door, setup: Mapping[str, Any], sources: SessionSources | None, hook: Any) -> Crew:
    tools = door_tools(door, "crew", lambda: () if sources is None else sources.crew.tools)
    if sources is not None:
        return replace(sources.crew, tools=tools)
    return Crew(
        tuple(Agent(**agent) for agent in setup["agents"]),
        tuple(Route(**route) for route in setup["routes"]),
        tools,
        {name: frozenset(names) for name, names in setup["tool_names"].items()},
        hook,
        tuple(GuardRule(**rule) for rule in setup["guard"]),
    )


def _providers(door: Door, setup: Mapping[str, Any], live: Providers | None) -> Providers:
    """The session's providers, seen through its door."""
    models = {
        name: DoorModel(door, None if live is None else live.models[name], f"model of {name}")
        for name in setup["own_models"]
    }
    beyond: Any = live
    providers = Providers(
        DoorRecogniser(door, None if live is None else live.recogniser),
        door_model(door, None if live is None else live.model),
        door_voice(door, None if live is None else live.voice),
        tuple(setup["providers"]),
        DoorTurnEnds(door, None if live is None else live.end_of_turn) if setup["has_end_of_turn"] else None,
        partial(door_vad, door, lambda: beyond.detector()),
        setup["languages"],
        models,
        DoorToolServers(door, None if live is None else live.tool_servers)
        if setup["has_tool_servers"]
        else None,
        lambda: door_tools(door, "operator", lambda: beyond.operator_tools()),
        None if live is None else live.db,
    )
    if live is not None:  # calls are counted as those of the providers
        label_alike(providers.recogniser, live.recogniser)
        label_alike(providers.model, live.model)
        label_alike(providers.voice, live.voice)
        for name, model in live.models.items():
            label_alike(models[name], model)
    return providers

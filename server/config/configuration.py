"""The whole configuration, from command line, environment and file: checked before anything is loaded, with all faults
at once, or one object."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from server.config.agents import Agent, Composition, Crew, assemble, without_faults
from server.config.choice import KINDS, Choice, choose, configured, variables
from server.config.environment import read_settings, unusable, variable_of
from server.config.file_content import FILE_NAME, FileContent, joined
from server.config.optional_file import content_of
from server.config.setting_names import FILE_VARIABLE
from server.config.settings import Settings
from server.tools.operator_servers import prefix_of
from stages.providers.built_in import Kind
from stages.providers.configured import Configured
from stages.providers.registry import ProviderFault, object_faults, provider_of


@dataclass(frozen=True, slots=True)
class Parts:
    """What is composed in Python, in place of the file's."""

    providers: Mapping[Kind, Any] = field(default_factory=dict)
    """Names, classes or objects."""
    composition: Composition = field(default_factory=lambda: Composition(agents=()))
    """What of it is given takes the place of the file's."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def above(self, beneath: Composition) -> Composition:
        """The composition where some of it is the file's."""
        ours = self.composition
        agents = ours.agents or beneath.agents
        routes = ours.routes if ours.agents or ours.routes else beneath.routes
        return Composition(
            agents,
            routes,
            ours.tools or beneath.tools,
            ours.pipeline or beneath.pipeline,
            ours.guard or beneath.guard,
            ours.servers or beneath.servers,
        )


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that a server is made from, checked."""

    settings: Settings
    choice: Choice
    crew: Crew
    models: Mapping[str, Configured | Any] = field(default_factory=dict)
    """By agent, the language model of those that have their own: configured, or an object."""
    file: FileContent = field(default_factory=FileContent)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def secrets(self) -> tuple[str, ...]:
        """What no log may hold: the server's secrets, and those of its providers."""
        chosen = (*self.choice.providers.values(), *self.models.values())
        parts = [part for one in chosen if isinstance(one, Configured) for part in one.parts]
        values = (value for part in parts for _, value in part.settings)
        headers = [value for server in self.crew.servers for value in server.headers.values()]
        return (
            *self.settings.secrets(),
            *(header.removeprefix("Bearer ") for header in headers),
            *(value.get_secret_value() for value in values if isinstance(value, SecretStr)),
        )


def file_path(given: str | Path | None, env_file: Path | None = Path(".env")) -> Path | None:
    """The configuration file: as given, or as the environment says, or the one in the working directory."""
    named = given or variables(env_file).get(FILE_VARIABLE)
    if named:
        return Path(named)
    return Path(FILE_NAME) if Path(FILE_NAME).exists() else None


def load_configuration(
    overrides: Mapping[str, Any] | None = None,
    path: Path | None = None,
    parts: Parts | None = None,
    env_file: Path | None = Path(".env"),
) -> Configuration:
    """The configuration. Raises ConfigError with every fault of it, a line each. Reads files and imports modules."""
    parts = parts or Parts()
    content, faults = content_of(path)
    found = list(faults)
    given, objects, classes = _sorted(parts.providers, found)
    overrides = {**parts.settings, **given, **{k: v for k, v in (overrides or {}).items() if v is not None}}
    settings, wrong = read_settings(overrides, env_file, content.settings, content.place_of)
    found += wrong
    known = settings or _only_names(overrides, content, env_file)
    choice = choose(known, content.providers, objects, env_file)
    choice = replace(choice, providers={**choice.providers, **classes})
    found += [_placed(line, content) for line in choice.faults]
    of_model = _tools_of(choice.providers.get("llm") or choice.given.get("llm"))
    composition = parts.above(content.composition)
    crew, wrong_parts = assemble(composition, of_model or ())
    found += wrong_parts
    if crew.hook is not None:
        from server.config.pipeline import pipeline_faults  # with all stages; without a hook they come later

        found += pipeline_faults(known, without_faults(crew) if wrong_parts else crew)
    models = _models(crew.agents, known, env_file, found)
    if of_model is not None and content.names_tools and crew.are_tools_whole and not known.mcp_servers:
        prefixes = tuple(prefix_of(server.name) for server in composition.servers)
        found += _unconfirmed(known, [*(tool.name for tool in crew.tools), *of_model], prefixes)
    if settings is None or found:
        raise unusable(dict.fromkeys(found))
    return Configuration(settings, choice, crew, models, content, overrides)


def _tools_of(model: Any) -> Sequence[str] | None:
    """The names of the tools that a language model brings itself; None if they are known only when a session begins."""
    if model is None:
        return None  # there is a fault in it
    made_by = model.provider.made_by if isinstance(model, Configured) else model
    return getattr(made_by, "session_tool_names", None) if hasattr(made_by, "session_tools") else ()


def _unconfirmed(settings: Settings, names: Sequence[str], prefixes: tuple[str, ...]) -> Iterator[str]:
    """Tools that are to be confirmed, and are not there: a misspelt one would run at once."""
    for name in settings.confirmed_tools or ():
        if name not in names and not name.startswith(prefixes):
            near = difflib.get_close_matches(name, names, n=1)
            there = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names) or 'none'}"
            yield f"tools.confirmed: there is no tool {name!r}; {there}"


def _sorted(
    providers: Mapping[Kind, Any], faults: list[str]
) -> tuple[dict[str, str], dict[Kind, object], dict[Kind, Configured]]:
    """Names, objects and classes apart."""
    names, objects, classes = dict[str, str](), dict[Kind, object](), dict[Kind, Configured]()
    for kind, one in providers.items():
        if one is None or isinstance(one, str):
            names |= {} if one is None else {kind: one}
            continue
        made = _given(kind, one, faults)
        objects[kind] = made
        if isinstance(made, Configured):
            classes[kind] = made
    return names, {kind: one for kind, one in objects.items() if kind not in classes}, classes


def _given(kind: Kind, one: Any, faults: list[str]) -> Any:
    """A class as what it is made with, an object as it is."""
    if not isinstance(one, type):
        faults += object_faults(kind, one)
        return one
    try:
        provider = provider_of(kind, one)
    except ProviderFault as fault:
        faults += fault.faults
        return None
    from stages.providers.configured import configure

    made, wrong = configure(provider, {}, variables(None))
    faults += wrong
    return made


def _models(
    agents: tuple[Agent, ...], settings: Settings, env_file: Path | None, faults: list[str]
) -> dict[str, Any]:
    models = dict[str, Any]()
    for agent in agents:
        table: Any = {"use": agent.llm} if isinstance(agent.llm, str) else agent.llm
        if table is None:
            continue
        if not isinstance(table, Mapping):
            models[agent.name] = _given("llm", table, faults)
            continue
        table = {**table, "use": str(joined(table.get("use")))}
        made, wrong = configured("llm", table["use"], settings, {"llm": table}, variables(env_file))
        faults += [f"agents.{agent.name}.llm: {line}" for line in wrong]
        models[agent.name] = made
        if made is not None and not all(hasattr(part.provider.made_by, "stream") for part in made.parts):
            faults.append(f"agents.{agent.name}.llm: keeps a connection for each session, as only [llm] can")
    return models


def _only_names(overrides: Mapping[str, Any], content: FileContent, env_file: Path | None) -> Settings:
    """Settings of which nothing but the providers' names is right: enough to look for faults in those."""
    given = variables(env_file)
    names: dict[str, Any] = {
        kind: overrides.get(kind) or given.get(variable_of(kind)) or content.settings.get(kind)
        for kind in KINDS
    }
    return Settings.model_construct(**{kind: name for kind, name in names.items() if name})


def _placed(line: str, content: FileContent) -> str:
    """A fault of a provider's, with the file that its table is in."""
    key = line.partition(":")[0]
    kind, _, name = key.partition(".")
    return f"{content.path}: {line}" if name and name in content.providers.get(kind, {}) else line

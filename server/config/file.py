"""The configuration file `stageflow-voice.toml`: its tables, and what is wrong in it, all at once.

The environment wins over it. A key `<name>_file` gives the path of a file that holds the value, for secrets.
"""

import copy
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
    field_validator,
)

from server.config.agents import Agent, Composition, Route
from server.config.guarding import GuardRule
from server.config.settings import Settings
from server.config.tool_servers import ToolServer
from server.config.waits import Interruption, Waits
from server.domain.limits import Limits
from server.gateway.admission import KeyLimits, Quotas

FILE_NAME = "stageflow-voice.toml"
_FILE = "_file"

_ELSEWHERE = {
    "stt", "llm", "agent", "tts", "vad", "end_of_turn", "guard_words", "guard_patterns", "guard_refusal",
    "guard_max_chars", "limits", "deadlines", "quotas", "keys", "interruption", "openai_api_key", "openai_base_url",
    "openai_model", "booking_db", "vad_mode", "mcp_servers", "confirmed_tools",
}  # fmt: skip
"""Settings that are in other tables than `[server]`."""

_KINDS = ("stt", "llm", "tts", "vad", "end_of_turn")

_PLACES = {
    **{kind: f"{kind}.use" for kind in _KINDS},
    "guard_words": "guard.words",
    "guard_patterns": "guard.patterns",
    "guard_refusal": "guard.refusal",
    "guard_max_chars": "guard.max_chars",
    "mcp_servers": "tools.client_servers",
    "confirmed_tools": "tools.confirmed",
    **{table: table for table in ("limits", "deadlines", "quotas", "keys", "interruption")},
}
"""Where in the file a setting is that is not in `[server]`."""

_STRICT = ConfigDict(extra="forbid", frozen=True)

_SERVER_FIELDS: dict[str, Any] = {
    name: (info.annotation, info) for name, info in Settings.model_fields.items() if name not in _ELSEWHERE
}
ServerTable: Any = create_model(
    "ServerTable",
    __config__=_STRICT,
    __doc__="Where to listen, who may come in, how turns are taken.",
    **_SERVER_FIELDS,
)


class LimitsTable(Limits):
    """What one client may use."""

    model_config = _STRICT


class WaitsTable(Waits):
    """How long the server waits for what."""

    model_config = _STRICT


class QuotasTable(Quotas):
    """What one key may use."""

    model_config = _STRICT


class InterruptionTable(Interruption):
    """When speech over an answer interrupts it."""

    model_config = _STRICT


_NAMES: dict[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}


def joined(use: object) -> object:
    """The names of a chain as one, as variables have them; anything else as it is."""
    is_chain = isinstance(use, list | tuple) and use and all(isinstance(name, str) for name in use)
    return ",".join(map(str, use)) if is_chain and isinstance(use, list | tuple) else use


class ProviderTable(BaseModel):
    """A provider, by name, and its settings: `stageflow-voice providers NAME` shows which it has."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: Annotated[str, WithJsonSchema(_NAMES)] = Field(
        description="built in, the entry point of an installed package, or `module:Class`; several are a chain, in "
        "which the next takes over when one fails"
    )

    @field_validator("use", mode="before")
    @classmethod
    def _joined(cls, use: object) -> object:
        return joined(use)


def _written_out(table: object) -> object:
    """The table of a provider whose name alone is written: `stt = "deepgram"` says as much as a table with `use`."""
    return {"use": table} if isinstance(table, str | list) else table


_Provider = Annotated[
    ProviderTable, BeforeValidator(_written_out, json_schema_input_type=ProviderTable | str | list[str])
]


class GuardTable(BaseModel):
    """What is not answered, and what is said instead."""

    model_config = _STRICT

    words: tuple[str, ...] = Field((), description="whole words or phrases")
    patterns: tuple[str, ...] = Field((), description="regular expressions of RE2")
    max_chars: int = Field(4_000, description="a longer text is refused where there are words or patterns")
    refusal: str = Field("Sorry, I can't help with that.", min_length=1, max_length=500)
    rules: tuple[GuardRule, ...] = Field((), description="kinds of content, each with its own way")


class ToolsTable(BaseModel):
    """What agents may call."""

    model_config = _STRICT

    functions: tuple[str, ...] = Field(
        (), description="`module:function` of your own, each an async function"
    )
    servers: tuple[ToolServer, ...] = Field(
        (), description="MCP servers whose tools there are in every session"
    )
    client_servers: tuple[str, ...] = Field(
        (), description="MCP servers that clients may name: URLs, or label=URL"
    )
    confirmed: tuple[str, ...] = Field((), description="tools that run only when the person has said yes")


class PipelineTable(BaseModel):
    """What happens in a turn."""

    model_config = _STRICT

    hook: str | None = Field(None, description="`module:function` from a stageflow Pipeline to a Pipeline")


class Tables(BaseModel):
    """A whole configuration file."""

    model_config = _STRICT

    server: ServerTable = Field(default_factory=ServerTable)
    stt: _Provider | None = None
    llm: _Provider | None = None
    tts: _Provider | None = None
    vad: _Provider | None = None
    end_of_turn: _Provider | None = None
    agents: tuple[Agent, ...] = ()
    routes: tuple[Route, ...] = ()
    guard: GuardTable = GuardTable()
    tools: ToolsTable = ToolsTable()
    pipeline: PipelineTable = PipelineTable()
    limits: LimitsTable = LimitsTable()
    deadlines: WaitsTable = WaitsTable()
    quotas: QuotasTable = QuotasTable()
    keys: Mapping[str, KeyLimits] = Field(
        {}, description="by name, as in `key_names`: keys that may have more or less than others"
    )
    interruption: InterruptionTable = InterruptionTable()


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file says."""

    path: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values of `Settings`, by field."""
    providers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By kind, the table of its provider."""
    composition: Composition = field(default_factory=Composition)

    def place_of(self, setting: str) -> str:
        """Where in the file a setting is written."""
        return f"{self.path}: {_PLACES.get(setting, f'server.{setting}')}"


def read_file(path: Path) -> tuple[FileContent, tuple[str, ...]]:
    """What the file says, and every fault in it: a line each, with the key and what to do."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        return FileContent(path), (f"{path}: cannot be read ({error.strerror or error})",)
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        return FileContent(path), (f"{path}: is not TOML: {error}",)
    faults = list[str]()
    raw |= {kind: _written_out(raw[kind]) for kind in _KINDS if kind in raw}
    _read_secrets(raw, path, faults)
    try:
        tables = Tables.model_validate(raw)
    except ValidationError as error:
        faults += [f"{path}: {_line(fault)}" for fault in error.errors(include_url=False)]
        kinds = {
            kind: {**raw[kind], "use": joined(raw[kind]["use"])}
            for kind in _PLACES
            if isinstance(raw.get(kind), dict) and isinstance(joined(raw[kind].get("use")), str)
        }
        names = {kind: str(table["use"]) for kind, table in kinds.items()}
        composition = _right_part(raw, error.errors(include_url=False))
        return FileContent(path, names, kinds, composition), tuple(faults)
    return _content(path, tables), tuple(faults)


def _right_part(raw: Mapping[str, Any], found: Sequence[Any]) -> Composition:
    """What is composed in the tables that are right, or agents and routes that are but for keys that there are not:
    their faults are told with those of the others."""
    kept = {table: raw[table] for table in ("agents", "routes", "guard", "tools", "pipeline") if table in raw}
    kept = copy.deepcopy(kept)
    wrong = set[str]()
    for fault in found:
        table, *path = fault["loc"]
        if fault["type"] == "extra_forbidden" and table in ("agents", "routes") and path:
            _remove(kept[table], path)
        else:
            wrong.add(table)
    if wrong & {"agents", "routes"}:  # one makes no sense without the other
        wrong |= {"agents", "routes"}
    tables = Tables.model_validate({table: content for table, content in kept.items() if table not in wrong})
    return _content(Path(), tables).composition


def _remove(table: Any, path: Sequence[Any]) -> None:
    """Take away the key at a path."""
    for part in path[:-1]:
        table = table[part]
    del table[path[-1]]


def _content(path: Path, tables: Tables) -> FileContent:
    providers = {kind: table.model_dump() for kind in _KINDS if (table := getattr(tables, kind)) is not None}
    settings: dict[str, Any] = {name: getattr(tables.server, name) for name in tables.server.model_fields_set}
    settings |= {kind: table["use"] for kind, table in providers.items()}
    guard = tables.guard.model_fields_set - {"rules"}
    settings |= {f"guard_{name}": getattr(tables.guard, name) for name in guard}
    for name, setting in (("client_servers", "mcp_servers"), ("confirmed", "confirmed_tools")):
        if name in tables.tools.model_fields_set:
            settings[setting] = getattr(tables.tools, name)
    if tables.keys:
        settings["keys"] = {name: own.model_dump(exclude_unset=True) for name, own in tables.keys.items()}
    for name in ("limits", "deadlines", "quotas", "interruption"):
        if name in tables.model_fields_set:
            settings[name] = getattr(tables, name).model_dump(exclude_unset=True)
    composition = Composition(
        tables.agents or (Agent(),),
        tables.routes,
        tables.tools.functions,
        tables.pipeline.hook,
        tables.guard.rules,
        tables.tools.servers,
    )
    return FileContent(path, settings, providers, composition)


def _read_secrets(raw: dict[str, Any], path: Path, faults: list[str]) -> None:
    """Put the content of files in the place of `<key>_file` in `[server]`: a list is a line each."""
    table = raw.get("server")
    if not isinstance(table, dict):
        return
    for key in [key for key in table if key.endswith(_FILE)]:
        name = key.removesuffix(_FILE)
        if key in Settings.model_fields or name not in Settings.model_fields:
            continue
        try:
            text = Path(str(table.pop(key))).read_text("utf-8")
        except (OSError, UnicodeError) as error:
            faults.append(f"{path}: server.{key}: cannot be read ({error})")
            continue
        table[name] = tuple(text.split())


def _line(fault: Any) -> str:
    parts = [str(part) for part in fault["loc"]]
    key = ".".join(parts)
    if fault["type"] == "extra_forbidden":
        known = _keys_beside(parts[:-1])
        near = difflib.get_close_matches(parts[-1], known, n=1)
        meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
        return f"{key}: is no key; {meant}"
    if fault["type"] == "missing":
        return f"{key}: is needed"
    hidden = "key" in key or isinstance(fault["input"], dict | list)
    return f"{key}: {fault['msg']}" + ("" if hidden else f" (got {fault['input']!r})")


def _keys_beside(path: list[str]) -> list[str]:
    """The keys of the table at a path."""
    models: Mapping[str, Any] = {"agents": Agent, "routes": Route}
    if not path:
        return list(Tables.model_fields)
    if path[:2] == ["guard", "rules"]:
        return list(GuardRule.model_fields)
    if path[0] == "keys":
        return list(KeyLimits.model_fields)
    if path[:2] == ["tools", "servers"]:
        return list(ToolServer.model_fields)
    model = models.get(path[0]) or Tables.model_fields[path[0]].annotation
    return list(getattr(model, "model_fields", {}))

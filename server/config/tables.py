"""The tables of a configuration file, as models: what may stand in it, for checks and for the schema."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
    field_validator,
)

from server.config.agents import Agent, Route
from server.config.file_content import joined
from server.config.guarding import GuardRule
from server.config.recording import RecordingRules
from server.config.settings import Settings
from server.config.tool_servers import ToolServer
from server.config.waits import Interruption, Waits
from server.domain.limits import Limits
from server.gateway.door.quotas import KeyLimits, Quotas

_ELSEWHERE = {
    "stt", "llm", "agent", "tts", "vad", "end_of_turn", "guard_words", "guard_patterns", "guard_refusal",
    "guard_max_chars", "limits", "deadlines", "quotas", "keys", "interruption", "record", "openai_api_key",
    "openai_base_url", "openai_model", "booking_db", "vad_mode", "mcp_servers", "confirmed_tools",
}  # fmt: skip
"""Settings that are in other tables than `[server]`."""

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


class RecordTable(RecordingRules):
    """Whether sessions are recorded."""

    model_config = _STRICT


class InterruptionTable(Interruption):
    """When speech over an answer interrupts it."""

    model_config = _STRICT


_NAMES: dict[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}


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


def written_out(table: object) -> object:
    """The table of a provider whose name alone is written: `stt = "deepgram"` says as much as a table with `use`."""
    return {"use": table} if isinstance(table, str | list) else table


_Provider = Annotated[
    ProviderTable, BeforeValidator(written_out, json_schema_input_type=ProviderTable | str | list[str])
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
    record: RecordTable = RecordTable()
    keys: Mapping[str, KeyLimits] = Field(
        {}, description="by name, as in `key_names`: keys that may have more or less than others"
    )
    interruption: InterruptionTable = InterruptionTable()

"""The session object of the Realtime protocol: how updates are merged into it, and how it is shown.

Two kinds of settings live in it. Those that mean something to us are a `SessionConfig`; the others (tracing,
noise reduction, the name of the transcription model ...) are kept only to be echoed, because stock clients read
their own settings back and complain when they are gone.

Merge rules. Only keys that are present change anything. `null` switches off `turn_detection`,
`transcription`, `noise_reduction` and `tracing`; for any other setting it brings back the server's default.
`turn_detection` starts afresh when its `type` changes, so that keys of one kind do not leak into another.
Names of models and voices are never refused: what the server does not have, its default stands in for.
Unknown keys are ignored. A session for transcription never answers and always shows what it hears, whatever its
client sets.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import JsonValue

from audio.formats import AudioFormat, Encoding
from server.dialects.realtime.fields import InputPart, OutputPart, SessionPart, TurnDetectionPart
from server.dialects.realtime.mcp_tools import without_secrets
from server.dialects.realtime.phrases import phrases_of
from server.dialects.realtime.setting_checks import Json
from server.domain.mcp_tools import McpChoice, McpServer
from server.domain.values import Purpose, SessionConfig, Truncation, TurnDetection
from stageflow.tools import Tool
from stages.client_tools import client_tool
from stages.ports import OneTool, ToolChoice

_ECHOED: Mapping[str, JsonValue] = {
    "tools": [],
    "tool_choice": "auto",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "include": None,
}
PURPOSES: Mapping[str, Purpose] = {"realtime": "conversation", "transcription": "transcription"}
"""By the type of a session, what it is for."""

_NO_PARAMETERS = {"type": "object", "properties": {}}
"""What a tool takes that does not say."""


@dataclass(frozen=True, slots=True)
class WireSession:
    """The whole session object: our configuration, and beside it what is only echoed."""

    config: SessionConfig
    echoed: Mapping[str, JsonValue] = field(default_factory=lambda: dict(_ECHOED))
    transcription: Mapping[str, JsonValue] = field(default_factory=dict)
    """The client's hints; they count only while `config.transcription` is on."""
    noise_reduction: Mapping[str, JsonValue] | None = None


_T = TypeVar("_T")


def _chosen(present: Set[str], name: str, value: _T | None, current: _T, default: _T) -> _T:
    """Absent keeps what is there, null brings back the default."""
    if name not in present:
        return current
    return default if value is None else value


def merge(
    session: WireSession, part: SessionPart, defaults: SessionConfig, mcp: tuple[McpServer, ...]
) -> WireSession:
    """The session object after a checked `session.update`; `mcp` are the servers that its tools name."""
    config, present = session.config, part.model_fields_set
    tokens = part.max_output_tokens
    config = replace(
        config,
        instructions=_chosen(
            present, "instructions", part.instructions, config.instructions, defaults.instructions
        ),
        modality=_chosen(
            present, "output_modalities", part.output_modalities, config.modality, defaults.modality
        ),
        max_output_tokens=(
            None
            if tokens == "inf"
            else _chosen(
                present, "max_output_tokens", tokens, config.max_output_tokens, defaults.max_output_tokens
            )
        ),
    )
    if "tools" in present:
        config = replace(config, tools=client_tools(part.tools), mcp=mcp)
    if "tool_choice" in present:
        config = replace(config, tool_choice=tool_choice(part.tool_choice))
    if "truncation" in present:
        config = replace(config, truncation=_truncation(part.truncation))
    if part.type is not None:
        config = replace(config, purpose=PURPOSES[part.type])
    session = replace(session, config=config, echoed={**session.echoed, **_echo(part)})
    if part.audio is not None and part.audio.input is not None:
        session = _merge_input(session, part.audio.input, defaults)
    if part.audio is not None and part.audio.output is not None:
        session = replace(session, config=_merge_output(session.config, part.audio.output, defaults))
    return replace(session, config=settled(session.config))


def type_of(config: SessionConfig) -> str:
    """What the protocol calls this kind of session."""
    return next(name for name, purpose in PURPOSES.items() if purpose == config.purpose)


def settled(config: SessionConfig) -> SessionConfig:
    """The configuration with what its purpose brings with it."""
    if config.purpose == "conversation":
        return config
    detection = config.turn_detection
    silent = detection and replace(detection, create_response=False, interrupt_response=False)
    return replace(config, transcription=True, turn_detection=silent, mcp=())


def client_tools(tools: Sequence[Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """The functions among a client's checked tools."""
    return tuple(
        client_tool(tool["name"], tool.get("description") or "", tool.get("parameters") or _NO_PARAMETERS)
        for tool in tools or ()
        if tool["type"] == "function"
    )


def tool_choice(choice: JsonValue) -> ToolChoice | McpChoice:
    """A checked `tool_choice` as a value."""
    if isinstance(choice, dict):
        name = choice.get("name")
        if choice.get("type") == "mcp":
            return McpChoice(str(choice["server_label"]), None if name is None else str(name))
        return OneTool(str(name))
    return "auto" if choice not in ("none", "required") else choice  # type: ignore[return-value]  # one of the two


def _truncation(given: JsonValue) -> Truncation:
    """A checked `truncation` as a value."""
    if not isinstance(given, dict):
        return Truncation(is_off=given == "disabled")
    limits: Any = given.get("token_limits") or {}
    ratio: Any = given["retention_ratio"]
    return Truncation(retention_ratio=float(ratio), post_instructions_tokens=limits.get("post_instructions"))


def _echo(part: SessionPart) -> Json:
    names = part.model_fields_set & {*_ECHOED, "parallel_tool_calls", "reasoning"}
    values = part.model_dump(include=set(names), exclude_unset=True)
    if values.get("tools"):
        values["tools"] = without_secrets(values["tools"])
    return {name: _ECHOED.get(name) if value is None else value for name, value in values.items()}


def _merge_input(session: WireSession, part: InputPart, defaults: SessionConfig) -> WireSession:
    config, present = session.config, part.model_fields_set
    if "format" in present:
        config = replace(
            config, input_format=part.format.to_format() if part.format else defaults.input_format
        )
    cancelled = _chosen(
        present,
        "x_echo_cancelled",
        part.x_echo_cancelled,
        config.echo_cancelled,
        defaults.echo_cancelled,
    )
    config = replace(config, echo_cancelled=cancelled)
    if "turn_detection" in present:
        detection = _merge_detection(config.turn_detection, part.turn_detection, defaults.turn_detection)
        config = replace(config, turn_detection=detection)
    if "transcription" in present:
        wanted = part.transcription
        hints = {**session.transcription, **wanted.model_dump(exclude_unset=True)} if wanted else {}
        config = replace(
            config,
            transcription=wanted is not None,
            language=hints.get("language"),
            phrases=phrases_of(hints),
        )
        session = replace(session, transcription=hints)
    if "noise_reduction" in present:
        noise = part.noise_reduction.model_dump(exclude_unset=True) if part.noise_reduction else None
        session = replace(session, noise_reduction=noise)
    return replace(session, config=config)


def _merge_output(config: SessionConfig, part: OutputPart, defaults: SessionConfig) -> SessionConfig:
    present = part.model_fields_set
    new_format = part.format.to_format() if part.format else None
    return replace(
        config,
        output_format=_chosen(present, "format", new_format, config.output_format, defaults.output_format),
        voice=_chosen(present, "voice", part.voice, config.voice, defaults.voice),
        speed=_chosen(present, "speed", part.speed, config.speed, defaults.speed),
    )


_BOTH = frozenset({"create_response", "interrupt_response"})
_KEYS_OF_KIND = {
    "server_vad": _BOTH | {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"},
    "semantic_vad": _BOTH | {"eagerness"},
}


def _merge_detection(
    current: TurnDetection | None, part: TurnDetectionPart | None, default: TurnDetection | None
) -> TurnDetection | None:
    if part is None:
        return None
    kind = part.type or (current.kind if current else "server_vad")
    fresh = default if default and default.kind == kind else TurnDetection(kind=kind)
    given: dict[str, Any] = {
        name: getattr(fresh, name) if (value := getattr(part, name)) is None else value
        for name in part.model_fields_set & _KEYS_OF_KIND[kind]
    }
    return replace(current if current and current.kind == kind else fresh, **given)


# --- what the client is shown -----------------------------------------------------------------------------


def render_session(session: WireSession, config: SessionConfig, session_id: str, expires_at_s: int) -> Json:
    """The full effective session object; `config` is what the session says holds now."""
    if config.purpose == "transcription":
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": session_id,
            "expires_at": expires_at_s,
            "include": session.echoed["include"],
            "audio": {"input": _render_input(session, config)},
        }
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": config.model,
        "output_modalities": [config.modality],
        "instructions": config.instructions,
        "max_output_tokens": config.max_output_tokens or "inf",
        "expires_at": expires_at_s,
        **session.echoed,
        "audio": {
            "input": _render_input(session, config),
            "output": {
                "format": render_format(config.output_format),
                "voice": config.voice,
                "speed": config.speed,
            },
        },
    }


def _render_input(session: WireSession, config: SessionConfig) -> Json:
    return {
        "format": render_format(config.input_format),
        "transcription": dict(session.transcription) if config.transcription else None,
        "noise_reduction": dict(session.noise_reduction) if session.noise_reduction else None,
        "turn_detection": _render_detection(config.turn_detection),
        **({"x_echo_cancelled": True} if config.echo_cancelled else {}),
    }


def render_format(audio_format: AudioFormat) -> Json:
    """An audio format as the protocol writes it."""
    if audio_format.encoding is Encoding.PCM16:
        return {"type": "audio/pcm", "rate": audio_format.rate_hz}
    return {"type": f"audio/{audio_format.encoding.value}"}


def _render_detection(detection: TurnDetection | None) -> Json | None:
    if detection is None:
        return None
    keys = _KEYS_OF_KIND[detection.kind]
    return {"type": detection.kind, **{name: getattr(detection, name) for name in sorted(keys)}}

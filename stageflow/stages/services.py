"""The services of a run by name: `CorePorts`, `LLMPorts`, `AudioPorts`, and `StagePorts`, which has all three.

A port is whatever the caller of a run puts there: so the types are open here, and are narrowed by who uses them.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from stageflow.errors import StageUsageError

Send = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CorePorts:
    """What any stage may use."""

    db: Any = None
    send_status: Send | None = None  # (stage, status, data): tells the client how far the run is
    call_logger: Any = None
    retry_fn: Any = None


@dataclass(frozen=True, slots=True)
class LLMPorts:
    """The services of language: a model, its tools, and the way of tokens to the client."""

    llm_provider: Any = None
    send_token: Send | None = None  # (token): streams words
    tool_registry: Any = None


@dataclass(frozen=True, slots=True)
class AudioPorts:
    """The services of sound: recogniser, voice, and the way of speech to the client."""

    stt_provider: Any = None
    tts_provider: Any = None
    send_audio_chunk: Send | None = None  # (data, format, duration_ms, is_final): streams speech
    send_transcript: Send | None = None  # (text, is_final): tells what was understood
    audio_in: Any = None


_PARTS = ("core", "llm", "audio", "extra")
_NAMES: dict[type, str] = {CorePorts: "core", LLMPorts: "llm", AudioPorts: "audio"}
HOLDERS = {field.name: kind for kind in _NAMES for field in fields(kind)}  # by port, who of the three has it


@dataclass(frozen=True, slots=True)
class StagePorts:
    """All three; their fields can be read from here too: `ports.llm_provider`, `ports.send_token`.

    Services of one's own come in as a subclass of one of them, or by name in `extra`: `ports.geo`.
    """

    core: CorePorts = CorePorts()
    llm: LLMPorts = LLMPorts()
    audio: AudioPorts = AudioPorts()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, ports: "Ports") -> "StagePorts":
        """Whatever stands for ports: nothing, one of the three, several of them, or a StagePorts."""
        if isinstance(ports, StagePorts):
            return ports
        given: Any = () if ports is None else ports
        parts: dict[str, Any] = {}
        for part in given if isinstance(given, Iterable) and not isinstance(given, str) else (given,):
            kind = next((kind for kind in _NAMES if isinstance(part, kind)), None)
            if kind is None:
                kinds = "CorePorts, LLMPorts, AudioPorts, several of them, or StagePorts"
                raise StageUsageError(f"{part!r} is no ports: give {kinds}")
            if _NAMES[kind] in parts:
                raise StageUsageError(f"{kind.__name__} is given twice: put all its services into one")
            parts[_NAMES[kind]] = part
        return cls(**parts)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in _PARTS:  # copying and pickling ask before there are any fields
            raise AttributeError(name)
        if name in self.extra:
            return self.extra[name]
        for part in (self.core, self.llm, self.audio):  # or a subclass of one, which may have more
            if hasattr(part, name):
                return getattr(part, name)
        there = ", ".join((*HOLDERS, *self.extra))
        raise AttributeError(f"there is no port {name!r}; there are {there}")


# What is accepted wherever ports are.
Ports = CorePorts | LLMPorts | AudioPorts | StagePorts | Iterable[CorePorts | LLMPorts | AudioPorts] | None

"""How a stage reaches the world: `CorePorts`, `LLMPorts`, `AudioPorts`, and `StagePorts`, which has all three.

A port is whatever the caller of a run puts there; the framework knows none of the services. So their types
are open here (`Any`, or callables with room for further keywords) and are narrowed by who uses them.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from stageflow.errors import StageUsageError
from stageflow.stages.inputs import create_stage_inputs

__all__ = [
    "AudioPorts",
    "CorePorts",
    "LLMPorts",
    "Ports",
    "StagePorts",
    "create_audio_ports",
    "create_core_ports",
    "create_llm_ports",
    "create_stage_inputs",
]

Send = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CorePorts:
    """What any stage may use."""

    db: Any = None
    send_status: Send | None = None
    """`send_status(stage, status, data)` tells the client how far the run is."""
    call_logger: Any = None
    retry_fn: Any = None


@dataclass(frozen=True, slots=True)
class LLMPorts:
    """Language."""

    llm_provider: Any = None
    send_token: Send | None = None
    """`send_token(token)` streams words to the client."""
    tool_registry: Any = None


@dataclass(frozen=True, slots=True)
class AudioPorts:
    """Sound."""

    stt_provider: Any = None
    tts_provider: Any = None
    send_audio_chunk: Send | None = None
    """`send_audio_chunk(data, format, duration_ms, is_final)` streams speech to the client."""
    send_transcript: Send | None = None
    """`send_transcript(text, is_final)` tells the client what was understood."""
    audio_in: Any = None


@dataclass(frozen=True, slots=True)
class StagePorts:
    """All three; their fields can be read from here too: `ports.llm_provider`, `ports.send_token`."""

    core: CorePorts = CorePorts()
    llm: LLMPorts = LLMPorts()
    audio: AudioPorts = AudioPorts()

    @classmethod
    def of(cls, ports: "Ports") -> "StagePorts":
        """Whatever stands for ports: nothing, one of the three, several of them, or a StagePorts."""
        if isinstance(ports, cls):
            return ports
        if ports is None:
            return cls()
        given = list(ports) if isinstance(ports, Iterable) else [ports]
        parts: dict[str, Any] = {}
        for part in given:
            name = _NAMES.get(type(part))
            if name is None:
                raise StageUsageError(
                    f"{part!r} is no ports: give CorePorts, LLMPorts, AudioPorts, several of them, or StagePorts"
                )
            if name in parts:
                raise StageUsageError(f"{type(part).__name__} is given twice: put all its services into one")
            parts[name] = part
        return cls(**parts)

    def bundle_of(self, name: str) -> str:
        """The name of the class that has the port `name`."""
        return type(getattr(self, _bundle(name))).__name__

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self, _bundle(name)), name)


_NAMES: dict[type, str] = {CorePorts: "core", LLMPorts: "llm", AudioPorts: "audio"}
_BUNDLES = {field.name: name for kind, name in _NAMES.items() for field in fields(kind)}

Ports = CorePorts | LLMPorts | AudioPorts | StagePorts | Iterable[CorePorts | LLMPorts | AudioPorts] | None
"""What is accepted wherever ports are."""


def _bundle(port: str) -> str:
    try:
        return _BUNDLES[port]
    except KeyError:
        raise AttributeError(f"there is no port {port!r}; there are {', '.join(_BUNDLES)}") from None


create_core_ports = CorePorts
create_llm_ports = LLMPorts
create_audio_ports = AudioPorts

"""How a stage reaches the world: `CorePorts`, `LLMPorts`, `AudioPorts`, and `StagePorts`, which holds all three."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from stageflow.stages.inputs import create_stage_inputs

__all__ = [
    "AudioPorts",
    "CorePorts",
    "LLMPorts",
    "StagePorts",
    "as_ports",
    "create_audio_ports",
    "create_core_ports",
    "create_llm_ports",
    "create_stage_inputs",
]

Send = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CorePorts:
    """Services that any stage may use: `send_status(stage, status, data)` and the caller's own."""

    db: Any = None
    send_status: Send | None = None
    call_logger: Any = None
    retry_fn: Any = None


@dataclass(frozen=True, slots=True)
class LLMPorts:
    """Language: `send_token(token)` streams words to the client."""

    llm_provider: Any = None
    send_token: Send | None = None
    tool_registry: Any = None


@dataclass(frozen=True, slots=True)
class AudioPorts:
    """Sound: `send_audio_chunk(data, format, duration_ms, is_final)` streams speech to the client."""

    stt_provider: Any = None
    tts_provider: Any = None
    send_audio_chunk: Send | None = None
    send_transcript: Send | None = None
    audio_in: Any = None


@dataclass(frozen=True, slots=True)
class StagePorts:
    """All three; their fields can be read from here too."""

    core: CorePorts = CorePorts()
    llm: LLMPorts = LLMPorts()
    audio: AudioPorts = AudioPorts()

    def __getattr__(self, name: str) -> Any:
        for part in (self.core, self.llm, self.audio):
            if name in part.__slots__:
                return getattr(part, name)
        raise AttributeError(f"no port is called {name!r}")


def as_ports(given: Any) -> StagePorts:
    """`StagePorts` from one of the three, several of them, all, or nothing."""
    if isinstance(given, StagePorts):
        return given
    parts = given if isinstance(given, list | tuple) else () if given is None else (given,)
    ports = {"core": CorePorts(), "llm": LLMPorts(), "audio": AudioPorts()}
    names = {CorePorts: "core", LLMPorts: "llm", AudioPorts: "audio"}
    for part in parts:
        if type(part) not in names:
            raise TypeError(
                f"ports are CorePorts, LLMPorts, AudioPorts or StagePorts, not {type(part).__name__}"
            )
        ports[names[type(part)]] = part
    return StagePorts(**ports)  # type: ignore[arg-type]  # each under its own name


create_core_ports = CorePorts
create_llm_ports = LLMPorts
create_audio_ports = AudioPorts

"""Stands where a client would: takes what a pipeline sends through its ports, and remembers the order."""

from dataclasses import dataclass, field

import anyio
import numpy as np

from audio.formats import Samples
from stageflow.stages.ports import AudioPorts, LLMPorts, StagePorts
from stageflow.tools import ToolRegistry
from stages.chunks import decode_chunk
from stages.ports import Recognition, WordTime
from stages.stt import SpokenTurn


@dataclass(frozen=True, slots=True)
class Chunk:
    """One call of `send_audio_chunk`."""

    data: bytes
    format: str
    duration_ms: int
    is_final: bool
    text: str
    words: tuple[WordTime, ...]


@dataclass
class Listener:
    """One client. `heard` is set with the first audio."""

    tokens: list[str] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    transcripts: list[str] = field(default_factory=list)
    heard: anyio.Event = field(default_factory=anyio.Event)

    async def send_token(self, token: str) -> None:
        self.tokens.append(token)

    async def send_transcript(self, text: str, is_final: bool) -> None:
        assert is_final
        self.transcripts.append(text)

    async def send_audio_chunk(
        self,
        data: bytes,
        format: str,
        duration_ms: int,
        is_final: bool,
        *,
        text: str = "",
        words: tuple[WordTime, ...] = (),
    ) -> None:
        self.chunks.append(Chunk(data, format, duration_ms, is_final, text, words))
        if data:
            self.heard.set()

    @property
    def text(self) -> str:
        """The displayed text that came with the audio."""
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def pieces(self) -> list[str]:
        """The same, as it was cut."""
        return [chunk.text for chunk in self.chunks if chunk.text and chunk.data]

    @property
    def audio(self) -> Samples:
        """All the audio."""
        return np.concatenate([decode_chunk(chunk.data, chunk.format)[0] for chunk in self.chunks])

    def ports(self, audio_in: SpokenTurn | None = None, tools: ToolRegistry | None = None) -> StagePorts:
        """Ports that lead here."""
        return StagePorts(
            llm=LLMPorts(send_token=self.send_token, tool_registry=tools),
            audio=AudioPorts(
                send_audio_chunk=self.send_audio_chunk,
                send_transcript=self.send_transcript,
                audio_in=audio_in,
            ),
        )


def speak_into(recognition: Recognition, seconds: float = 1.0, rate_hz: int = 16_000) -> Recognition:
    """The recognition, after something that is no silence."""
    recognition.push(np.full(int(seconds * rate_hz), 1000, np.int16))
    return recognition

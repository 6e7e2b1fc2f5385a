"""Voices that speak a text over HTTP: OpenAI's, Groq's, kokoro-fastapi, speaches, LocalAI and others."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from audio.formats import Samples
from stages.errors import ErrorKind
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption
from stages.providers.openai.http import Refusal, Server, ServerSettings
from stages.providers.sockets.faults import fault

if TYPE_CHECKING:
    import httpx2

NAME = "openai"

_RIFF_BYTES = 12
_CHUNK_BYTES = 8
_MOST_HEADER_BYTES = 4096
_NOT_PCM = ("audio/mpeg", "audio/mp3", "audio/ogg", "audio/opus", "audio/aac", "audio/flac")


class SpeechSettings(ServerSettings):
    """Where the voice is, and which."""

    model: str = Field(min_length=1, description="the model's name, as its server calls it")
    voice: str = Field(min_length=1, description="the voice's name, as the server calls it")
    voices: tuple[str, ...] = Field((), description="further voices that may be chosen")
    rate_hz: int = Field(
        24_000, ge=8000, le=48_000, description="of the server's pcm, which does not say it; 24000 at OpenAI"
    )
    instructions: str = Field("", description="how to speak, for models that follow it")
    path: str = Field("audio/speech", description="under base_url")
    most_chars: int = Field(4096, ge=100, description="of one request; longer texts are cut between words")


class OpenAIVoice:
    """Speech over HTTP, streamed: OpenAI's, or any server that speaks it, by `base_url`."""

    interface = 1
    capabilities = SynthesiserCapabilities(languages=("*",))
    Settings = SpeechSettings

    def __init__(self, settings: SpeechSettings) -> None:
        self.settings = settings
        self._server = Server(
            NAME, base_url=settings.base_url, api_key=settings.key, silence_s=settings.silence_s
        )

    @classmethod
    def from_settings(cls, settings: SpeechSettings) -> Self:
        """Make the client; nothing connects yet."""
        return cls(settings)

    @property
    def voices(self) -> Sequence[VoiceOption]:
        """Those that are configured, the default first."""
        names = dict.fromkeys((self.settings.voice, *self.settings.voices))
        return tuple(VoiceOption(name, f"{name} of {self.settings.model}") for name in names)

    @property
    def rate_hz(self) -> int:
        """As configured."""
        return self.settings.rate_hz

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Self, None]:
        """The same for one session, with a connection that opens meanwhile."""
        async with self._server.warmed():
            yield self

    async def close(self) -> None:
        """Close the connections. Speech that is under way fails."""
        await self._server.close()

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """The audio as it comes.

        Raises ProviderError, also when no audio comes for words. Cancel-safe: closing the generator closes the
        response.
        """
        if not any(map(str.isalnum, text)):
            return
        known = {option.name for option in self.voices}
        name = voice if voice in known else self.settings.voice
        for piece in _cut(text, self.settings.most_chars):
            pcm = Pcm(self.rate_hz)
            try:
                async with self._server.post(
                    self.settings.path, self._request(piece, name, speed)
                ) as response:
                    await self._check(response)
                    async for data in response.aiter_bytes():
                        if len(samples := pcm.push(data)):
                            yield Speech(samples)
            except Refusal as refusal:
                raise self._server.meaning_of(refusal) from None
            if not pcm.samples and any(map(str.isalnum, piece)):
                raise fault(NAME, ErrorKind.NO_AUDIO)

    def _request(self, text: str, voice: str, speed: float) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.settings.model,
            "input": text,
            "voice": voice,
            "response_format": "pcm",
        }
        if speed != 1.0:
            request["speed"] = min(4.0, max(0.25, speed))
        if self.settings.instructions:
            request["instructions"] = self.settings.instructions
        return request

    async def _check(self, response: "httpx2.Response") -> None:
        """Raises ProviderError where the body is something else than samples."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        if kind in _NOT_PCM:
            raise fault(NAME, ErrorKind.BAD_REQUEST, f"it sent {kind} although pcm was asked for")
        if kind.endswith("json") or kind.startswith("text/"):
            words = (await response.aread()).decode("utf-8", "replace")
            raise self._server.fault_in({"error": words}) or fault(NAME, ErrorKind.PROTOCOL, kind)


class Pcm:
    """Samples out of bytes of any cut, without the header that some servers put before them. Pure."""

    def __init__(self, rate_hz: int) -> None:
        self.samples = 0
        """How many there have been."""
        self._rate_hz = rate_hz
        self._held = b""
        self._is_inside = False

    def push(self, data: bytes) -> Samples:
        """The samples that are complete by now. Raises ProviderError where they are of another rate or kind."""
        self._held += data
        if not self._is_inside:
            start = self._header_bytes()
            if start is None:
                return np.zeros(0, np.int16)
            self._held, self._is_inside = self._held[start:], True
        whole = len(self._held) & ~1
        samples = np.frombuffer(self._held[:whole], "<i2").astype(np.int16)
        self._held = self._held[whole:]
        self.samples += len(samples)
        return samples

    def _header_bytes(self) -> int | None:
        """How long the header is; None while that is not known."""
        if not b"RIFF".startswith(self._held[:4]) and not self._held.startswith(b"RIFF"):
            return 0
        for kind, start, size in self._chunks():
            if kind == b"fmt " and len(self._held) >= start + 16:
                self._check_format(self._held[start : start + 16])
            if kind == b"data":
                return start
            if start + size > _MOST_HEADER_BYTES:
                raise fault(NAME, ErrorKind.PROTOCOL, "a WAV file without samples")
        return None

    def _chunks(self) -> Iterator[tuple[bytes, int, int]]:
        at = _RIFF_BYTES
        while len(self._held) >= at + _CHUNK_BYTES:
            size = int.from_bytes(self._held[at + 4 : at + 8], "little")
            yield self._held[at : at + 4], at + _CHUNK_BYTES, size
            at += _CHUNK_BYTES + size + size % 2

    def _check_format(self, header: bytes) -> None:
        kind, channels = int.from_bytes(header[:2], "little"), int.from_bytes(header[2:4], "little")
        rate_hz, bits = int.from_bytes(header[4:8], "little"), int.from_bytes(header[14:16], "little")
        if (channels, bits) != (1, 16) or kind not in (1, 0xFFFE):
            raise fault(NAME, ErrorKind.BAD_REQUEST, f"WAV of {channels} channels with {bits} bits")
        if rate_hz != self._rate_hz:
            raise fault(NAME, ErrorKind.BAD_REQUEST, f"it speaks at {rate_hz} Hz: set tts.rate_hz to that")


def _cut(text: str, most_chars: int) -> Iterator[str]:
    while len(text) > most_chars:
        at = text.rfind(" ", 0, most_chars)
        at = at if at > 0 else most_chars
        yield text[:at]
        text = text[at:]
    yield text

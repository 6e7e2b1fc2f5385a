"""A recogniser behind a Wyoming server, such as wyoming-faster-whisper: one connection an utterance."""

from collections.abc import Callable
from contextlib import suppress
from typing import Self

import anyio
from pydantic import Field
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop

from audio.formats import SPEECH_HZ, Samples
from stages import ports
from stages.errors import ErrorKind
from stages.ports import Partial, RecogniserCapabilities, SpeechHints
from stages.providers.segments import WholeUtterance
from stages.providers.sockets.faults import fault
from stages.providers.wyoming.connection import NAME, WyomingConnection, WyomingSettings, connected

_CHUNK_SAMPLES = SPEECH_HZ // 2
_FORMAT = {"rate": SPEECH_HZ, "width": 2, "channels": 1}


class WyomingRecogniserSettings(WyomingSettings):
    """Where the server is, and what to hear."""

    model: str | None = Field(None, description="of several models of a server, its name")
    language: str | None = Field(
        None, description="such as de; what a session knows of its language goes before it"
    )
    final_s: float = Field(15.0, gt=0, le=120, description="how long the text of an utterance may take")


class WyomingRecogniser:
    """A recogniser of Home Assistant's protocol: faster-whisper, whisper.cpp and others in processes of their own."""

    interface = 1
    capabilities = RecogniserCapabilities(languages=("*",))
    Settings = WyomingRecogniserSettings

    def __init__(self, settings: WyomingRecogniserSettings) -> None:
        self._settings = settings

    @classmethod
    def from_settings(cls, settings: WyomingRecogniserSettings) -> Self:
        """Nothing connects yet."""
        return cls(settings)

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return SPEECH_HZ

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> WholeUtterance:
        """Begin an utterance."""
        return WholeUtterance(self.transcribe, SPEECH_HZ, on_partial, hints)

    async def transcribe(
        self, samples: Samples, hints: SpeechHints, on_text: Callable[[str], None]
    ) -> ports.Transcript:
        """The text of `int16[n]` at 16 kHz.

        Raises ProviderError within `final_s`. Cancel-safe: closes the connection.
        """
        settings = self._settings
        language = hints.language or settings.language
        try:
            with anyio.fail_after(settings.final_s):
                async with connected(settings) as server:
                    await server.send(Transcribe(name=settings.model, language=language).event())
                    with suppress(anyio.BrokenResourceError):  # it may have said why before it left
                        await _send_audio(server, samples)
                    return await _text(server, language or "en", on_text)
        except TimeoutError:
            raise fault(NAME, ErrorKind.TIMEOUT, f"no text in {settings.final_s:g} s") from None


async def _send_audio(server: WyomingConnection, samples: Samples) -> None:
    await server.send(AudioStart(**_FORMAT).event())
    for at in range(0, len(samples), _CHUNK_SAMPLES):
        pcm = samples[at : at + _CHUNK_SAMPLES].astype("<i2", copy=False).tobytes()
        await server.send(AudioChunk(audio=pcm, **_FORMAT).event())
    await server.send(AudioStop().event())


async def _text(server: WyomingConnection, language: str, on_text: Callable[[str], None]) -> ports.Transcript:
    """The text, in pieces from servers that stream it."""
    heard = ""
    while True:
        event = await server.receive()
        if TranscriptChunk.is_type(event.type):
            heard += TranscriptChunk.from_event(event).text
            on_text(heard)
        elif Transcript.is_type(event.type):
            said = Transcript.from_event(event)
            text = " ".join(said.text.split())
            return ports.Transcript(text, said.language or language, no_speech=0.0 if text else 1.0)

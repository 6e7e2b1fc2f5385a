"""A voice behind a Wyoming server, such as wyoming-piper: one connection a piece of text."""

from collections.abc import AsyncGenerator, Sequence
from typing import Self

import anyio
import numpy as np
from pydantic import Field
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeVoice

from audio.formats import Samples
from audio.resample import Resampler
from stages.errors import ErrorKind
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption
from stages.providers.sockets.faults import fault
from stages.providers.wyoming.connection import NAME, WyomingConnection, WyomingSettings, connected
from stages.text.whole import whole

_SERVERS_OWN = "server"
_SAMPLE_BYTES = 2


class WyomingVoiceSettings(WyomingSettings):
    """Where the server is, and how to speak."""

    voice: str | None = Field(None, description="the voice's name; without one, the server's own")
    voices: tuple[str, ...] = Field((), description="further voices that may be chosen")
    speaker: str | None = Field(None, description="of several speakers of a voice, its name")
    rate_hz: int = Field(
        22_050,
        ge=8000,
        le=48_000,
        description="of what is given on; a server that speaks at another is resampled",
    )
    silence_s: float = Field(10.0, gt=0, le=120, description="how long the server may send nothing at all")


class WyomingVoice:
    """A voice of Home Assistant's protocol: Piper, Kokoro and others in processes of their own."""

    interface = 1
    capabilities = SynthesiserCapabilities(speed=False, languages=("*",))
    Settings = WyomingVoiceSettings

    def __init__(self, settings: WyomingVoiceSettings) -> None:
        self._settings = settings

    @classmethod
    def from_settings(cls, settings: WyomingVoiceSettings) -> Self:
        """Nothing connects yet."""
        return cls(settings)

    @property
    def voices(self) -> Sequence[VoiceOption]:
        """Those that are configured, the default first."""
        names = dict.fromkeys((self._settings.voice or _SERVERS_OWN, *self._settings.voices))
        return tuple(VoiceOption(name, f"{name} of the Wyoming server") for name in names)

    @property
    def rate_hz(self) -> int:
        """As configured."""
        return self._settings.rate_hz

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """The audio as it comes; the protocol has no speed.

        Raises ProviderError, also when no audio comes for words. Cancel-safe: closing the generator closes the
        connection.
        """
        if not any(map(str.isalnum, text)):
            return
        known = {option.name for option in self.voices}
        name = voice if voice in known and voice != _SERVERS_OWN else self._settings.voice
        chosen = SynthesizeVoice(name=name, speaker=self._settings.speaker) if name else None
        audio = _Audio(self.rate_hz)
        async with connected(self._settings) as server:
            await server.send(Synthesize(text=whole(text), voice=chosen).event())
            while not audio.is_over:
                if len(samples := audio.push(await self._next(server))):
                    yield Speech(samples)
        if not audio.samples:
            raise fault(NAME, ErrorKind.NO_AUDIO)

    async def _next(self, server: WyomingConnection) -> Event:
        try:
            with anyio.fail_after(self._settings.silence_s):
                return await server.receive()
        except TimeoutError:
            words = f"nothing came in {self._settings.silence_s:g} s"
            raise fault(NAME, ErrorKind.TIMEOUT, words) from None


class _Audio:
    """Samples at our rate out of the server's events. Pure."""

    def __init__(self, rate_hz: int) -> None:
        self.is_over = False
        self.samples = 0
        """How many there have been."""
        self._rate_hz = rate_hz
        self._resampler: Resampler | None = None
        self._held = b""

    def push(self, event: Event) -> Samples:
        """The samples that an event brings forth; other events than of audio bring none."""
        if AudioStart.is_type(event.type):
            start = AudioStart.from_event(event)
            self._begin(start.rate, start.width, start.channels)
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            if self._resampler is None:
                self._begin(chunk.rate, chunk.width, chunk.channels)
            return self._take(chunk.audio)
        elif AudioStop.is_type(event.type):
            self.is_over = True
            return self._take(b"")
        return np.zeros(0, np.int16)

    def _begin(self, rate_hz: int, width: int, channels: int) -> None:
        if (width, channels) != (_SAMPLE_BYTES, 1):
            words = f"audio of {channels} channels with {width} bytes a sample"
            raise fault(NAME, ErrorKind.BAD_REQUEST, words)
        self._resampler = Resampler(rate_hz, self._rate_hz)

    def _take(self, pcm: bytes) -> Samples:
        if self._resampler is None:
            return np.zeros(0, np.int16)
        data = self._held + pcm
        whole = len(data) - len(data) % _SAMPLE_BYTES
        self._held = data[whole:]
        samples = np.frombuffer(data[:whole], "<i2").astype(np.int16)
        samples = self._resampler.process(samples, last=self.is_over)
        self.samples += len(samples)
        return samples

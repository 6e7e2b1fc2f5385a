"""ElevenLabs' voices: one context an answer, several on a socket, with word times
(`/v1/text-to-speech/{voice}/multi-stream-input`)."""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from pybase64 import b64decode
from pydantic import Field

from stages.errors import ErrorKind
from stages.ports import SynthesiserCapabilities, VoiceOption
from stages.providers.elevenlabs.settings import CLOSE_CODES, FAULTS, ElevenLabsSettings
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.speaking import SocketVoice, speaking
from stages.providers.sockets.speech_protocol import (
    Broken,
    Ended,
    Said,
    Sound,
    SpeakingService,
    SpeechEvent,
    VoiceChoice,
)
from stages.providers.sockets.speech_text import SaidWord, SpelledWords

NAME = "elevenlabs"

SLOWEST, FASTEST = 0.7, 1.2

CONTEXTS = 4
"""The service closes a socket with more than five; those that were cancelled count until it says that they are over."""

CLOSING_S = 20.0
"""After that long without text the service has forgotten a context anyway."""


class ElevenLabsVoiceSettings(ElevenLabsSettings):
    """Settings of `elevenlabs` as voice."""

    model: str
    """Such as "eleven_flash_v2_5"."""
    voice: str
    """The id of the voice."""
    voices: dict[str, str] = Field(default_factory=dict)
    """Other voices that may be chosen, by a name: the id of each."""
    language: str | None = None
    """Such as "de"; None: by the text. An answer that has its own goes before it."""
    sample_rate: Literal[8000, 16_000, 22_050, 24_000, 44_100] = 24_000
    stability: float | None = Field(None, ge=0, le=1)
    similarity_boost: float | None = Field(None, ge=0, le=1)
    enable_logging: bool = True
    """Whether the service may keep what it said."""
    audio_s: float = Field(5.0, gt=0, le=60)
    """How long audio may take."""


class ElevenLabsVoice:
    """ElevenLabs' voices: speech begins with the first sentence, words have times; a barge-in costs one message."""

    interface = 1
    capabilities = SynthesiserCapabilities(word_times=True, streams_text=True, languages=("*",))
    Settings = ElevenLabsVoiceSettings

    def __init__(self, settings: ElevenLabsVoiceSettings) -> None:
        self._settings = settings
        ids = {"elevenlabs": settings.voice, **settings.voices}
        self._service = SpeakingService(
            NAME,
            settings.sample_rate,
            self._endpoint,
            self._protocol,
            tuple(VoiceOption(name, f"ElevenLabs {voice}") for name, voice in ids.items()),
            ids,
            contexts=CONTEXTS,
            audio_s=settings.audio_s,
            closing_s=CLOSING_S,
        )
        tls()

    @property
    def voices(self) -> Sequence[VoiceOption]:
        """The voices that may be chosen, the default first."""
        return self._service.voices

    @property
    def rate_hz(self) -> int:
        """The sample rate of its audio."""
        return self._settings.sample_rate

    def session(self) -> AbstractAsyncContextManager[SocketVoice]:
        """The voice of one session; begins to connect."""
        return speaking(self._service)

    def _protocol(self) -> "ElevenLabsProtocol":
        settings = self._settings
        style = {"stability": settings.stability, "similarity_boost": settings.similarity_boost}
        return ElevenLabsProtocol(settings.sample_rate, {k: v for k, v in style.items() if v is not None})

    def _endpoint(self, choice: VoiceChoice) -> Endpoint:
        settings = self._settings
        query = {
            "model_id": settings.model,
            "output_format": f"pcm_{settings.sample_rate}",
            "language_code": choice.language or settings.language,
            "inactivity_timeout": 180,
            "sync_alignment": True,
            "auto_mode": True,  # the text comes by the sentence
            "enable_logging": settings.enable_logging,
        }
        path = f"/v1/text-to-speech/{quote(choice.voice, safe='')}/multi-stream-input"
        return Endpoint(
            NAME,
            settings.address(path, query),
            settings.headers(),
            connect_s=settings.connect_s,
            close_codes=CLOSE_CODES,
        )


@dataclass(slots=True)
class _Context:
    """What has come of one context."""

    is_closed: bool = False
    """Whether the service was told that no more text comes."""
    pcm_bytes: int = 0
    words: SpelledWords = field(default_factory=SpelledWords)


class ElevenLabsProtocol:
    """The messages of the socket with contexts; implements `SpeechProtocol`."""

    takes_answers = True

    def __init__(self, rate_hz: int, style: dict[str, float]) -> None:
        self._rate_hz = rate_hz
        self._style = style
        self._contexts: dict[str, _Context] = {}

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """A single space opens a context, with its settings."""
        self._contexts[context] = _Context()
        style = dict(self._style)
        if choice.speed != 1:
            style["speed"] = min(FASTEST, max(SLOWEST, choice.speed))
        yield json.dumps({"text": " ", "context_id": context, **({"voice_settings": style} if style else {})})

    def text(self, context: str, text: str) -> Iterable[Message]:
        """Text must end with a space; flushed, so that it is heard at once."""
        text = text if text.endswith(" ") else f"{text} "
        yield json.dumps({"text": text, "context_id": context, "flush": True})

    def finish(self, context: str) -> Iterable[Message]:
        """What was flushed is finished first; then `isFinal` comes."""
        self._contexts[context].is_closed = True
        yield json.dumps({"context_id": context, "close_context": True})

    def cancel(self, context: str) -> Iterable[Message]:
        """The same, unless it was said: what still comes of it belongs to nobody."""
        known = self._contexts.pop(context, None)
        if known is not None and not known.is_closed:
            yield json.dumps({"context_id": context, "close_context": True})

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """The service writes its fields in two ways."""
        data = json.loads(message)
        name = data.get("contextId") or data.get("context_id")
        if data.get("error"):
            kind = FAULTS.get(data["error"], ErrorKind.BAD_REQUEST)
            error = fault(NAME, kind, f"{data['error']}: {data.get('message', '')}")
            if name is None:
                raise error
            yield Broken(name, error)
            return
        context = self._contexts.get(name)
        if context is not None and data.get("audio"):
            pcm = b64decode(data["audio"])
            yield Said(name, self._words(context, data.get("alignment")))
            context.pcm_bytes += len(pcm)
            yield Sound(name, pcm)
        if data.get("isFinal") or data.get("is_final"):
            if context is not None:
                yield Said(name, tuple(context.words.flush()))
                del self._contexts[name]
            yield Ended(name)

    def _words(self, context: _Context, alignment: dict[str, Any] | None) -> tuple[SaidWord, ...]:
        """Times count from the beginning of this message's audio."""
        if not alignment:
            return ()
        base_s = context.pcm_bytes / 2 / self._rate_hz
        starts = alignment.get("charStartTimesMs") or alignment["char_start_times_ms"]
        lengths = alignment.get("charDurationsMs") or alignment.get("charsDurationsMs")
        lengths = lengths or alignment["char_durations_ms"]
        return tuple(
            context.words.push(
                alignment["chars"],
                [base_s + start / 1000 for start in starts],
                [length / 1000 for length in lengths],
            )
        )

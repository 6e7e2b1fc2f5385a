"""Inworld's voices: one context an answer, several on a socket, with word times (`voice:streamBidirectional`)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

from pybase64 import b64decode
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stages.errors import ErrorKind, ProviderError
from stages.ports import SynthesiserCapabilities, VoiceOption
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
from stages.providers.sockets.speech_text import SaidWord

NAME = "inworld"
PATH = "/tts/v1/voice:streamBidirectional"

SLOWEST, FASTEST = 0.5, 1.5

CONTEXTS = 5
_SAMPLE_BYTES = 2

_CODES: Mapping[int, ErrorKind] = {
    3: ErrorKind.BAD_REQUEST,
    4: ErrorKind.TIMEOUT,
    5: ErrorKind.BAD_REQUEST,
    7: ErrorKind.AUTH,
    8: ErrorKind.RATE,
    16: ErrorKind.AUTH,
}
"""The service's codes are those of gRPC."""


class InworldSettings(BaseModel):
    """Settings of `inworld`."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "INWORLD_API_KEY"})
    """In base64, as the service gives it."""
    url: str = Field("wss://api.inworld.ai", pattern="^wss?://")
    """Where the service is, without a path."""
    model: str
    voice: str
    voices: tuple[str, ...] = ()
    """Other voices that may be chosen."""
    sample_rate: Literal[8000, 16_000, 22_050, 24_000, 44_100, 48_000] = 24_000
    connect_s: float = Field(5.0, gt=0, le=60)
    audio_s: float = Field(5.0, gt=0, le=60)
    """How long audio may take."""


class InworldVoice:
    """Inworld's voices: speech begins with the first sentence, words have times."""

    interface = 1
    capabilities = SynthesiserCapabilities(word_times=True, streams_text=True, languages=("*",))
    Settings = InworldSettings

    def __init__(self, settings: InworldSettings) -> None:
        self._settings = settings
        names = dict.fromkeys((settings.voice, *settings.voices))
        endpoint = Endpoint(
            NAME,
            settings.url.rstrip("/") + PATH,
            {"Authorization": f"Basic {settings.api_key.get_secret_value()}"},
            connect_s=settings.connect_s,
        )
        self._service = SpeakingService(
            NAME,
            settings.sample_rate,
            lambda choice: endpoint,
            lambda: ContextProtocol(settings),
            tuple(VoiceOption(name, f"Inworld {name}") for name in names),
            {name: name for name in names},
            contexts=CONTEXTS,
            audio_s=settings.audio_s,
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


@dataclass(slots=True)
class _Clock:
    """Times of words begin anew with each generation, which ends where the service says that a flush is complete."""

    bytes_told: int = 0
    began_bytes: int = 0


class ContextProtocol:
    """The messages of the voice; implements `SpeechProtocol`."""

    takes_answers = True

    def __init__(self, settings: InworldSettings) -> None:
        self._settings = settings
        self._clocks: dict[str, _Clock] = {}
        self._closed: set[str] = set()
        """Contexts that the service was told to close, and has not."""

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """The settings of a context."""
        self._clocks[context] = _Clock()
        audio: dict[str, Any] = {
            "audioEncoding": "PCM",
            "sampleRateHertz": self._settings.sample_rate,
        }
        if choice.speed != 1:
            audio["speakingRate"] = min(FASTEST, max(SLOWEST, choice.speed))
        create: dict[str, Any] = {
            "voiceId": choice.voice,
            "modelId": self._settings.model,
            "audioConfig": audio,
            "timestampType": "WORD",
            "autoMode": True,  # the text comes by the sentence
        }
        if choice.language:
            create["language"] = choice.language
        yield json.dumps({"create": create, "contextId": context})

    def text(self, context: str, text: str) -> Iterable[Message]:
        """Texts are joined as they are."""
        yield json.dumps({"send_text": {"text": text}, "contextId": context})

    def finish(self, context: str) -> Iterable[Message]:
        """What is left is spoken, then the context is closed."""
        self._closed.add(context)
        yield json.dumps({"flush_context": {}, "contextId": context})
        yield json.dumps({"close_context": {}, "contextId": context})

    def cancel(self, context: str) -> Iterable[Message]:
        """Closes the context, which the service confirms. After `finish` what still comes belongs to nobody."""
        if context not in self._closed:
            self._closed.add(context)
            yield json.dumps({"close_context": {}, "contextId": context})

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """Results that are unknown say nothing to us."""
        data = json.loads(message)
        if "error" in data:
            raise _error(data["error"])
        result = data["result"]
        context = result.get("contextId")
        status = result.get("status") or {}
        if status.get("code"):
            self._forget(context)
            yield Broken(context, _error(status))
            return
        if (chunk := result.get("audioChunk")) is not None:
            yield from self._sound(context, chunk)
        if "flushCompleted" in result and (clock := self._clocks.get(context)) is not None:
            clock.began_bytes = clock.bytes_told
        if "contextClosed" in result:
            self._forget(context)
            yield Ended(context)

    def _forget(self, context: str) -> None:
        self._clocks.pop(context, None)
        self._closed.discard(context)

    def _sound(self, context: str, chunk: Mapping[str, Any]) -> Iterable[SpeechEvent]:
        clock = self._clocks.setdefault(context, _Clock())
        pcm = b64decode(chunk.get("audioContent") or "")
        told = (chunk.get("timestampInfo") or {}).get("wordAlignment")
        if told and told.get("words"):
            offset_s = clock.began_bytes / _SAMPLE_BYTES / self._settings.sample_rate
            times = zip(told["words"], told["wordStartTimeSeconds"], told["wordEndTimeSeconds"], strict=True)
            yield Said(
                context, tuple(SaidWord(text, offset_s + start, offset_s + end) for text, start, end in times)
            )
        clock.bytes_told += len(pcm)
        if pcm:
            yield Sound(context, pcm)


def _error(said: Mapping[str, Any]) -> ProviderError:
    kind = _CODES.get(int(said.get("code") or 0), ErrorKind.SERVER)
    return fault(NAME, kind, str(said.get("message") or ""))

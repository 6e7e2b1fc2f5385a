"""Cartesia Sonic: one context an answer, several on a socket, with word times (`/tts/websocket`)."""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from pybase64 import b64decode
from pydantic import Field

from stages.ports import SynthesiserCapabilities, VoiceOption
from stages.providers.cartesia.settings import CartesiaSettings, told_error
from stages.providers.sockets.connection import Endpoint, Message, tls
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

NAME = "cartesia"

SLOWEST, FASTEST = 0.6, 1.5

CONTEXTS = 2
"""As many as the smallest plan has at once."""

CLOSING_S = 1.0
"""A cancel has no answer of its own: a context is gone a second after its last audio."""


class SonicSettings(CartesiaSettings):
    """Settings of `cartesia` as voice."""

    model: str
    """Such as "sonic-3.5"."""
    voice: str
    """The id of the voice."""
    voices: dict[str, str] = Field(default_factory=dict)
    """Other voices that may be chosen, by a name: the id of each."""
    language: str = "en"
    """Of answers that have none of their own."""
    sample_rate: Literal[8000, 16_000, 22_050, 24_000, 44_100, 48_000] = 24_000
    audio_s: float = Field(5.0, gt=0, le=60)
    """How long audio may take."""


class CartesiaSonic:
    """Cartesia's Sonic voices: speech begins with the first sentence, words have times."""

    interface = 1
    capabilities = SynthesiserCapabilities(word_times=True, streams_text=True, languages=("*",))
    Settings = SonicSettings

    def __init__(self, settings: SonicSettings) -> None:
        self._settings = settings
        ids = {"cartesia": settings.voice, **settings.voices}
        endpoint = Endpoint(
            NAME, settings.address("/tts/websocket", {}), settings.headers(), connect_s=settings.connect_s
        )
        self._service = SpeakingService(
            NAME,
            settings.sample_rate,
            lambda choice: endpoint,
            lambda: SonicProtocol(settings),
            tuple(VoiceOption(name, f"Cartesia {voice}") for name, voice in ids.items()),
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


class SonicProtocol:
    """The messages of `/tts/websocket`; implements `SpeechProtocol`."""

    def __init__(self, settings: SonicSettings) -> None:
        self._settings = settings
        self._choices: dict[str, VoiceChoice] = {}

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """A context begins with its first text; all of its messages have the same settings."""
        self._choices[context] = choice
        return ()

    def text(self, context: str, text: str) -> Iterable[Message]:
        """Texts are joined as they are."""
        yield json.dumps(self._request(context, text, goes_on=True))

    def finish(self, context: str) -> Iterable[Message]:
        """An empty text that nothing follows."""
        yield json.dumps(self._request(context, "", goes_on=False))

    def cancel(self, context: str) -> Iterable[Message]:
        """What was generated still comes, and belongs to nobody."""
        if self._choices.pop(context, None) is not None:
            yield json.dumps({"context_id": context, "cancel": True})

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """Types that are unknown say nothing to us."""
        data = json.loads(message)
        context = data.get("context_id")
        match data["type"]:
            case "chunk":
                yield Sound(context, b64decode(data["data"]))
            case "timestamps":
                yield Said(context, _words(data["word_timestamps"]))
            case "done":
                self._choices.pop(context, None)
                yield Ended(context)
            case "error" if context is not None:
                self._choices.pop(context, None)
                yield Broken(context, told_error(NAME, data))
            case "error":
                raise told_error(NAME, data)

    def _request(self, context: str, text: str, *, goes_on: bool) -> dict[str, Any]:
        choice, settings = self._choices[context], self._settings
        speed = min(FASTEST, max(SLOWEST, choice.speed))
        return {
            "model_id": settings.model,
            "transcript": text,
            "voice": {"mode": "id", "id": choice.voice},
            "language": choice.language or settings.language,
            "context_id": context,
            "output_format": {
                "container": "raw",
                "encoding": "pcm_s16le",
                "sample_rate": settings.sample_rate,
            },
            "continue": goes_on,
            "add_timestamps": True,
            "max_buffer_delay_ms": 0,  # the text comes by the sentence
            **({"generation_config": {"speed": speed}} if speed != 1 else {}),
        }


def _words(told: dict[str, list[Any]]) -> tuple[SaidWord, ...]:
    return tuple(map(SaidWord, told["words"], told["start"], told["end"]))

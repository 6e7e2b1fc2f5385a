"""Cartesia Sonic: one context an answer, several on a socket, with word times (`/tts/websocket`)."""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

import anyio
from pybase64 import b64decode
from pydantic import Field

from stages.ports import SynthesiserCapabilities, VoiceOption
from stages.providers.cartesia.settings import CartesiaSettings, told_error
from stages.providers.sockets.endpoint import Endpoint, Message, tls
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

GONE_S = 0.7
"""A context ends a second after its last audio. Text that comes later than this begins another, to be safe."""

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


@dataclass(slots=True)
class _Answer:
    """One utterance, which is one context of the service's after the other if its text comes with pauses."""

    name: str
    choice: VoiceChoice
    number: int = 1
    pcm_bytes: int = 0
    base_bytes: int = 0
    """How much audio came before the present context, whose words count from there."""
    audio_at_s: float | None = None
    """When the present context's newest audio came."""
    is_gone: bool = False
    """Whether the service has ended the present context."""
    is_finished: bool = False

    @property
    def context(self) -> str:
        """What the service knows the present context by."""
        return self.name if self.number == 1 else f"{self.name}.{self.number}"

    def follow(self) -> None:
        """Go on in another context."""
        self.number += 1
        self.base_bytes, self.audio_at_s, self.is_gone = self.pcm_bytes, None, False


class SonicProtocol:
    """The messages of `/tts/websocket`; implements `SpeechProtocol`."""

    takes_answers = True

    def __init__(self, settings: SonicSettings) -> None:
        self._settings = settings
        self._answers: dict[str, _Answer] = {}

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """A context begins with its first text; all of its messages have the same settings."""
        self._answers[context] = _Answer(context, choice)
        return ()

    def text(self, context: str, text: str) -> Iterable[Message]:
        """Texts are joined as they are; one that comes after a pause begins another context."""
        answer = self._answers[context]
        silent_s = 0.0 if answer.audio_at_s is None else anyio.current_time() - answer.audio_at_s
        if answer.is_gone or silent_s > GONE_S:
            answer.follow()
        yield json.dumps(self._request(answer, text, goes_on=True))

    def finish(self, context: str) -> Iterable[Message] | None:
        """An empty text that nothing follows."""
        answer = self._answers[context]
        if answer.is_gone:
            del self._answers[context]
            return None
        answer.is_finished = True
        return (json.dumps(self._request(answer, "", goes_on=False)),)

    def cancel(self, context: str) -> Iterable[Message]:
        """What was generated still comes, and belongs to nobody."""
        answer = self._answers.pop(context, None)
        if answer is not None and not answer.is_gone:
            yield json.dumps({"context_id": answer.context, "cancel": True})

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """Types that are unknown say nothing to us."""
        data = json.loads(message)
        context = data.get("context_id")
        if data["type"] == "error" and context is None:
            raise told_error(NAME, data)
        answer = self._answers.get((context or "").partition(".")[0])
        if answer is None:
            if data["type"] == "done":
                yield Ended(context)
            return
        match data["type"]:
            case "chunk":
                pcm = b64decode(data["data"])
                answer.pcm_bytes += len(pcm)
                answer.audio_at_s = anyio.current_time()
                yield Sound(answer.name, pcm)
            case "timestamps":
                base_s = answer.base_bytes / 2 / self._settings.sample_rate
                yield Said(answer.name, _words(data["word_timestamps"], base_s))
            case "done" if answer.context == context:
                answer.is_gone = True
                if answer.is_finished:
                    del self._answers[answer.name]
                    yield Ended(answer.name)
            case "error":
                del self._answers[answer.name]
                yield Broken(answer.name, told_error(NAME, data))

    def _request(self, answer: _Answer, text: str, *, goes_on: bool) -> dict[str, Any]:
        choice, settings = answer.choice, self._settings
        speed = min(FASTEST, max(SLOWEST, choice.speed))
        return {
            "model_id": settings.model,
            "transcript": text,
            "voice": {"mode": "id", "id": choice.voice},
            "language": choice.language or settings.language,
            "context_id": answer.context,
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


def _words(told: dict[str, list[Any]], base_s: float) -> tuple[SaidWord, ...]:
    return tuple(
        SaidWord(text, base_s + start, base_s + end)
        for text, start, end in zip(told["words"], told["start"], told["end"], strict=True)
    )

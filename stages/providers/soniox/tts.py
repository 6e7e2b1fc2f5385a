"""Soniox's voices: one stream an answer, several on a socket, with the times of characters (`/tts-websocket`)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from pybase64 import b64decode
from pydantic import Field

from stages.ports import SynthesiserCapabilities, VoiceOption
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
from stages.providers.soniox.settings import SonioxSettings, told_error

NAME = "soniox"

SLOWEST, FASTEST = 0.7, 1.3

STREAMS = 5
"""As many as a connection has at once."""

MOST_CHARS = 5000
"""Of one message."""


class SonioxVoiceSettings(SonioxSettings):
    """Settings of `soniox` as voice."""

    url: str = Field("wss://tts-rt.soniox.com/tts-websocket", pattern="^wss?://")
    model: str
    voice: str
    """The voice's name, as the service calls it."""
    voices: tuple[str, ...] = ()
    """Other voices that may be chosen."""
    language: str = "en"
    """Of answers that have none of their own."""
    sample_rate: Literal[8000, 16_000, 24_000, 44_100, 48_000] = 24_000
    audio_s: float = Field(5.0, gt=0, le=60)
    """How long audio may take."""


class SonioxVoice:
    """Soniox's voices: speech begins with the first sentence, words have times."""

    interface = 1
    capabilities = SynthesiserCapabilities(word_times=True, streams_text=True, languages=("*",))
    Settings = SonioxVoiceSettings

    def __init__(self, settings: SonioxVoiceSettings) -> None:
        self._settings = settings
        names = dict.fromkeys((settings.voice, *settings.voices))
        endpoint = Endpoint(
            NAME,
            settings.url,
            keep_alive='{"keep_alive": true}',
            keep_alive_s=20.0,
            connect_s=settings.connect_s,
        )
        self._service = SpeakingService(
            NAME,
            settings.sample_rate,
            lambda choice: endpoint,
            lambda: StreamProtocol(settings),
            tuple(VoiceOption(name, f"Soniox {name}") for name in names),
            {name: name for name in names},
            contexts=STREAMS,
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


class StreamProtocol:
    """The messages of the voice; implements `SpeechProtocol`."""

    takes_answers = True

    def __init__(self, settings: SonioxVoiceSettings) -> None:
        self._settings = settings
        self._words: dict[str, CharacterWords] = {}
        self._finished: set[str] = set()

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """The settings of a stream, the key among them."""
        settings = self._settings
        self._words[context] = CharacterWords()
        begin: dict[str, Any] = {
            "api_key": settings.api_key.get_secret_value(),
            "stream_id": context,
            "model": settings.model,
            "voice": choice.voice,
            "language": choice.language or settings.language,
            "audio_format": "pcm_s16le",
            "sample_rate": settings.sample_rate,
            "return_timestamps": True,
        }
        if choice.speed != 1:
            begin["speed"] = min(FASTEST, max(SLOWEST, choice.speed))
        yield json.dumps(begin)

    def text(self, context: str, text: str) -> Iterable[Message]:
        """Texts are joined as they are."""
        for at in range(0, len(text), MOST_CHARS):
            yield json.dumps({"stream_id": context, "text": text[at : at + MOST_CHARS], "text_end": False})

    def finish(self, context: str) -> Iterable[Message]:
        """An empty text that is the last."""
        self._finished.add(context)
        yield json.dumps({"stream_id": context, "text": "", "text_end": True})

    def cancel(self, context: str) -> Iterable[Message]:
        """Refused by the service once the text has ended; what still comes then belongs to nobody."""
        if context not in self._finished:
            yield json.dumps({"stream_id": context, "cancel": True})

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """A message may have audio, times and the end at once."""
        data = json.loads(message)
        context = data.get("stream_id")
        if (error := told_error(NAME, data)) is not None:
            if context is None:
                raise error
            self._forget(context)
            yield Broken(context, error)
            return
        words = self._words.get(context)
        if words is not None and (told := data.get("timestamps")) and (said := words.push(told)):
            yield Said(context, said)
        if audio := data.get("audio"):
            yield Sound(context, b64decode(audio))
        if words is not None and data.get("terminated"):
            if said := words.flush():
                yield Said(context, said)
            self._forget(context)
        if data.get("terminated"):
            yield Ended(context)

    def _forget(self, context: str) -> None:
        self._words.pop(context, None)
        self._finished.discard(context)


class CharacterWords:
    """Words out of characters with times, which may be cut in the middle of a word. Pure."""

    def __init__(self) -> None:
        self._text = ""
        self._start_s = self._end_s = 0.0

    def push(self, told: Mapping[str, Sequence[Any]]) -> tuple[SaidWord, ...]:
        """The words that are complete by now."""
        words: list[SaidWord] = []
        for character, start_s, end_s in zip(
            told["characters"],
            told["character_start_times_seconds"],
            told["character_end_times_seconds"],
            strict=True,
        ):
            if character.isspace():
                words += self.flush()
                continue
            self._start_s = self._start_s if self._text else start_s
            self._text, self._end_s = self._text + character, end_s
        return tuple(words)

    def flush(self) -> tuple[SaidWord, ...]:
        """The last word, which no space follows."""
        text, self._text = self._text, ""
        return (SaidWord(text, self._start_s, self._end_s),) if text else ()

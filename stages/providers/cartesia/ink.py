"""Cartesia Ink: streamed recognition that makes audio final when it is told to (`/stt/websocket`)."""

import json
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from pydantic import Field

from audio.formats import SPEECH_HZ, Samples
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.cartesia.settings import KEYTERM_CHARS, CartesiaSettings, told_error
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.hearing import Final, Finalised, Guess, HearingEvent, TimedWord
from stages.providers.sockets.hearing_protocol import HearingService
from stages.providers.sockets.listening import SocketRecogniser, listening

NAME = "cartesia"


class InkSettings(CartesiaSettings):
    """Settings of `cartesia` as recogniser."""

    model: str
    """Such as "ink-2" or "ink-whisper"."""
    language: str = "en"
    """What a session knows of its language goes before it."""
    keyterms: tuple[str, ...] = ()
    """Words that are likely to be said; for ink-2."""
    final_s: float = Field(3.0, gt=0, le=60)
    """How long the text may take once an utterance is over."""

    @property
    def takes_keyterms(self) -> bool:
        """Whether the model listens for words that it is told."""
        return not self.model.startswith("ink-whisper")


class CartesiaInk:
    """Cartesia's Ink models: partial text while people speak, with word times."""

    interface = 1
    capabilities = RecogniserCapabilities(
        partials=True, word_times=True, turns="ours", languages=("*",), phrases=True
    )
    Settings = InkSettings

    def __init__(self, settings: InkSettings) -> None:
        self._settings = settings
        self.capabilities = replace(self.capabilities, phrases=settings.takes_keyterms)
        self._service = HearingService(NAME, SPEECH_HZ, self._endpoint, InkProtocol, settings.final_s)
        tls()

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return SPEECH_HZ

    def session(self) -> AbstractAsyncContextManager[SocketRecogniser]:
        """The recogniser of one session; begins to connect."""
        return listening(self._service)

    def _endpoint(self, hints: SpeechHints) -> Endpoint:
        settings = self._settings
        terms = (*settings.keyterms, *hints.phrases) if settings.takes_keyterms else ()
        query = {
            "model": settings.model,
            "encoding": "pcm_s16le",
            "sample_rate": SPEECH_HZ,
            "language": hints.language or settings.language,
            "keyterm": keyterms(terms, in_all=KEYTERM_CHARS),
        }
        address = settings.address("/stt/websocket", query)
        return Endpoint(NAME, address, settings.headers(), connect_s=settings.connect_s)


class InkProtocol:
    """The messages of `/stt/websocket`; implements `HearingProtocol`."""

    joint = ""
    """Pieces bring their own spaces."""

    def begin(self) -> Iterable[Message]:
        """Everything is said in the address."""
        return ()

    def audio(self, samples: Samples) -> Message:
        """Raw samples."""
        return samples.astype("<i2", copy=False).tobytes()

    def finalise(self) -> Message:
        """A bare word, no JSON."""
        return "finalize"

    def read(self, message: Message) -> Iterable[HearingEvent]:
        """Types that are unknown say nothing to us."""
        data = json.loads(message)
        match data["type"]:
            case "error":
                raise told_error(NAME, data)
            case "flush_done":
                yield Finalised()
            case "transcript" if data["is_final"]:
                words = tuple(
                    TimedWord(word["word"].strip(), word["start"], word["end"])
                    for word in data.get("words") or ()
                )
                yield Final(data["text"], None, words, None, data.get("language"))
            case "transcript":
                yield Guess(data["text"])

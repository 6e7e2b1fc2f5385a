"""Deepgram Nova: streamed recognition that makes audio final when it is told to (`/v1/listen`)."""

import json
import re
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from pydantic import Field

from audio.formats import SPEECH_HZ, Samples
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.deepgram.settings import CLOSE_CODES, KEYTERM_BYTES, DeepgramSettings
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.hearing import Final, Finalised, Guess, HearingEvent, TimedWord
from stages.providers.sockets.hearing_protocol import HearingService
from stages.providers.sockets.listening import SocketRecogniser, listening

NAME = "deepgram"

_TAKES_NONE = re.compile(r"nova(?!-[3-9])|enhanced|base|whisper")
"""Models before Nova-3: they listen for no words."""


class NovaSettings(DeepgramSettings):
    """Settings of `deepgram` as recogniser."""

    model: str
    """Such as "nova-3"."""
    language: str = "en"
    """Such as "de", or "multi"; what a session knows of its language goes before it."""
    keyterms: tuple[str, ...] = ()
    """Words that are likely to be said, beside those that a session knows."""
    smart_format: bool = True
    profanity_filter: bool = False
    mip_opt_out: bool = False
    """Whether the audio may not be used to improve models."""
    keep_alive_s: float = Field(4.0, gt=0, lt=10)
    """How often the service, which closes after ten seconds of nothing, is told that somebody is there."""
    final_s: float = Field(3.0, gt=0, le=60)
    """How long the text may take once an utterance is over."""

    @property
    def takes_keyterms(self) -> bool:
        """Whether the model listens for words that it is told."""
        return _TAKES_NONE.match(self.model) is None


class DeepgramNova:
    """Deepgram's Nova models: partial text while people speak, in many languages, with word times."""

    interface = 1
    capabilities = RecogniserCapabilities(
        partials=True, word_times=True, turns="ours", languages=("*",), phrases=True
    )
    Settings = NovaSettings

    def __init__(self, settings: NovaSettings) -> None:
        self._settings = settings
        self.capabilities = replace(self.capabilities, phrases=settings.takes_keyterms)
        self._service = HearingService(NAME, SPEECH_HZ, self._endpoint, NovaProtocol, settings.final_s)
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
            "language": hints.language or settings.language,
            "encoding": "linear16",
            "sample_rate": SPEECH_HZ,
            "channels": 1,
            "interim_results": True,
            "endpointing": False,  # the ends of utterances are found here
            "smart_format": settings.smart_format,
            "profanity_filter": settings.profanity_filter or None,
            "mip_opt_out": settings.mip_opt_out or None,
            "keyterm": keyterms(terms, in_all=KEYTERM_BYTES),
        }
        return Endpoint(
            NAME,
            settings.address("/v1/listen", query),
            settings.headers(),
            keep_alive='{"type": "KeepAlive"}',
            keep_alive_s=settings.keep_alive_s,
            connect_s=settings.connect_s,
            close_codes=CLOSE_CODES,
        )


class NovaProtocol:
    """The messages of `/v1/listen`; implements `HearingProtocol`."""

    joint = " "

    def begin(self) -> Iterable[Message]:
        """Everything is said in the address."""
        return ()

    def audio(self, samples: Samples) -> Message:
        """Raw samples. An empty message would end the connection; there is none."""
        return samples.astype("<i2", copy=False).tobytes()

    def finalise(self) -> Message:
        """Answered by `Results` that say so, unless there was nothing left."""
        return '{"type": "Finalize"}'

    def read(self, message: Message) -> Iterable[HearingEvent]:
        """Types that are unknown say nothing to us."""
        data = json.loads(message)
        if data["type"] != "Results":
            return
        heard = data["channel"]["alternatives"][0]
        end_s = data["start"] + data["duration"]
        if not data["is_final"]:
            yield Guess(heard["transcript"])
            return
        words = tuple(_word(word) for word in heard.get("words", ()))
        languages = heard.get("languages") or (None,)
        yield Final(heard["transcript"], end_s, words, heard.get("confidence"), languages[0])
        if data.get("from_finalize"):
            yield Finalised(end_s)


def _word(word: dict[str, Any]) -> TimedWord:
    text = word.get("punctuated_word") or word["word"]
    return TimedWord(text, word["start"], word["end"], word.get("confidence"))

"""Soniox's recogniser: streamed text in tokens, made final when it is told to (`/transcribe-websocket`)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import Field

from audio.formats import SPEECH_HZ, Samples
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.hearing import Final, Finalised, Guess, HearingEvent, TimedWord
from stages.providers.sockets.hearing_protocol import HearingService
from stages.providers.sockets.listening import SocketRecogniser, listening
from stages.providers.soniox.settings import SonioxSettings, told_error

NAME = "soniox"

MAX_CONTEXT_CHARS = 8_000
"""Of all terms together."""
_FINALISED = "<fin>"
MARKERS = (_FINALISED, "<end>")
"""Tokens that are no speech."""


class SonioxRecogniserSettings(SonioxSettings):
    """Settings of `soniox` as recogniser."""

    url: str = Field("wss://stt-rt.soniox.com/transcribe-websocket", pattern="^wss?://")
    model: str
    """Such as "stt-rt-v5"."""
    languages: tuple[str, ...] = ()
    """Those that are likely to be spoken; what a session knows of its language goes before them."""
    terms: tuple[str, ...] = ()
    """Words that are likely to be said, beside those that a session knows."""
    final_s: float = Field(3.0, gt=0, le=60)
    """How long the text may take once an utterance is over."""


class SonioxRecogniser:
    """Soniox's real-time models: partial text while people speak, in many languages, with word times."""

    interface = 1
    capabilities = RecogniserCapabilities(
        partials=True, word_times=True, turns="ours", languages=("*",), phrases=True
    )
    Settings = SonioxRecogniserSettings

    def __init__(self, settings: SonioxRecogniserSettings) -> None:
        self._settings = settings
        self._service = HearingService(NAME, SPEECH_HZ, self._endpoint, TokenProtocol, settings.final_s)
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
        begin = beginning(settings, hints, finds_ends=False)
        return Endpoint(
            NAME,
            settings.url,
            hello=json.dumps(begin),
            keep_alive='{"type": "keepalive"}',
            keep_alive_s=5.0,
            connect_s=settings.connect_s,
        )


def beginning(settings: Any, hints: SpeechHints, *, finds_ends: bool) -> dict[str, Any]:
    """The first message. `finds_ends`: the service finds the ends of turns, and not the server."""
    begin: dict[str, Any] = {
        "api_key": settings.api_key.get_secret_value(),
        "model": settings.model,
        "audio_format": "pcm_s16le",
        "sample_rate": SPEECH_HZ,
        "num_channels": 1,
        "enable_endpoint_detection": finds_ends,
    }
    if languages := (hints.language,) if hints.language else settings.languages:
        begin["language_hints"] = languages
    if terms := keyterms((*settings.terms, *hints.phrases), in_all=MAX_CONTEXT_CHARS):
        begin["context"] = {"terms": terms}
    return begin


class TokenProtocol:
    """The messages of the recogniser; implements `HearingProtocol`."""

    joint = ""
    """Tokens are parts of words, and bring their own spaces."""

    def begin(self) -> Iterable[Message]:
        """The settings have gone already."""
        return ()

    def audio(self, samples: Samples) -> Message:
        """Raw samples. An empty message would end the connection; there is none."""
        return samples.astype("<i2", copy=False).tobytes()

    def finalise(self) -> Message:
        """Answered by the tokens that were guesses, then by a marker."""
        return '{"type": "finalize"}'

    def read(self, message: Message) -> Iterable[HearingEvent]:
        """Final tokens come once; the others are replaced by the next message."""
        data = json.loads(message)
        if (error := told_error(NAME, data)) is not None:
            raise error
        tokens = data["tokens"]
        said = [token for token in tokens if token["text"] not in MARKERS]
        final = [token for token in said if token["is_final"]]
        guessed = "".join(token["text"] for token in said if not token["is_final"])
        if final:
            text = "".join(token["text"] for token in final)
            yield Final(
                text, final[-1]["end_ms"] / 1000, tuple(words_of(final)), None, final[0].get("language")
            )
        if guessed:
            yield Guess(guessed)
        if any(token["text"] == _FINALISED for token in tokens):
            yield Finalised(max(data["final_audio_proc_ms"], data["total_audio_proc_ms"]) / 1000)


def words_of(tokens: Sequence[Mapping[str, Any]]) -> list[TimedWord]:
    """Words out of their parts: one begins with a space."""
    words: list[TimedWord] = []
    for token in tokens:
        text, start, end = token["text"], token["start_ms"] / 1000, token["end_ms"] / 1000
        confidence = token.get("confidence")
        if words and not text.startswith(" "):
            last = words[-1]
            least = min((one for one in (last.confidence, confidence) if one is not None), default=None)
            words[-1] = TimedWord(last.text + text, last.start_s, end, least)
        elif text.strip():
            words.append(TimedWord(text.strip(), start, end, confidence))
    return words

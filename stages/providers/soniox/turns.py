"""Soniox's recogniser with its own ends of turns (`/transcribe-websocket`, with endpoint detection)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import Field

from audio.formats import SPEECH_HZ, Samples
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.turn_listening import SocketTurnRecogniser, TurnService, listening_for_turns
from stages.providers.sockets.turns import Sign, TurnSign
from stages.providers.soniox.settings import SonioxSettings, told_error
from stages.providers.soniox.stt import MARKERS, beginning, words_of

NAME = "soniox_turns"


class SonioxTurnsSettings(SonioxSettings):
    """Settings of `soniox_turns`."""

    url: str = Field("wss://stt-rt.soniox.com/transcribe-websocket", pattern="^wss?://")
    model: str
    """Such as "stt-rt-v5"."""
    languages: tuple[str, ...] = ()
    """Those that are likely to be spoken; what a session knows of its language goes before them."""
    terms: tuple[str, ...] = ()
    """Words that are likely to be said, beside those that a session knows."""
    max_endpoint_delay_ms: int | None = Field(None, ge=500, le=3000)
    """Silence that ends a turn, however likely it is that it goes on."""
    endpoint_sensitivity: float | None = Field(None, ge=-1.0, le=1.0)
    """More ends turns earlier."""


class SonioxTurns:
    """Soniox's real-time models with their own ends of turns, in many languages, with word times."""

    interface = 1
    capabilities = RecogniserCapabilities(
        partials=True, word_times=True, turns="theirs", languages=("*",), phrases=True
    )
    Settings = SonioxTurnsSettings

    def __init__(self, settings: SonioxTurnsSettings) -> None:
        self._settings = settings
        self._service = TurnService(NAME, SPEECH_HZ, self._endpoint, TokenTurnsProtocol)
        tls()

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return SPEECH_HZ

    def session(self) -> AbstractAsyncContextManager[SocketTurnRecogniser]:
        """The recogniser of one session; begins to connect."""
        return listening_for_turns(self._service)

    def _endpoint(self, hints: SpeechHints) -> Endpoint:
        settings = self._settings
        begin = beginning(settings, hints, finds_ends=True)
        for name in ("max_endpoint_delay_ms", "endpoint_sensitivity"):
            if (value := getattr(settings, name)) is not None:
                begin[name] = value
        return Endpoint(NAME, settings.url, hello=json.dumps(begin), connect_s=settings.connect_s)


class TokenTurnsProtocol:
    """The messages of the recogniser as turns; implements `TurnProtocol`."""

    def __init__(self) -> None:
        self._final: list[Mapping[str, Any]] = []
        """The tokens of the running turn that will not change."""

    def audio(self, samples: Samples) -> Message:
        """Raw samples. An empty message would end the connection; there is none."""
        return samples.astype("<i2", copy=False).tobytes()

    def end_turn(self) -> Message:
        """Answered by the tokens that were guesses, then by a marker."""
        return '{"type": "finalize"}'

    def read(self, message: Message) -> Iterable[TurnSign]:
        """Final tokens come once; the others are replaced by the next message. A marker ends the turn before it."""
        data = json.loads(message)
        if (error := told_error(NAME, data)) is not None:
            raise error
        guesses: list[Mapping[str, Any]] = []
        for token in data["tokens"]:
            if token["text"] in MARKERS:
                yield from self._over()
            elif token["is_final"]:
                self._final.append(token)
            else:
                guesses.append(token)
        yield from _heard([*self._final, *guesses])

    def _over(self) -> Iterable[TurnSign]:
        tokens, self._final = self._final, []
        yield from _heard(tokens)
        if text := _text(tokens):
            end_s = tokens[-1]["end_ms"] / 1000
            language = tokens[0].get("language")
            yield TurnSign(Sign.OVER, text, end_s, tuple(words_of(tokens)), None, language)


def _heard(tokens: Sequence[Mapping[str, Any]]) -> Iterable[TurnSign]:
    """That a turn runs, which begins with the first token."""
    if text := _text(tokens):
        yield TurnSign(Sign.HEARD, text, tokens[0]["start_ms"] / 1000)


def _text(tokens: Sequence[Mapping[str, Any]]) -> str:
    return "".join(token["text"] for token in tokens).strip()

"""Deepgram Flux: streamed recognition that finds the ends of turns, early ones too (`/v2/listen`)."""

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import Field, model_validator

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ErrorKind
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.deepgram.settings import CLOSE_CODES, KEYTERM_BYTES, DeepgramSettings
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.hearing import TimedWord
from stages.providers.sockets.turn_listening import SocketTurnRecogniser, TurnService, listening_for_turns
from stages.providers.sockets.turns import Sign, TurnSign

NAME = "deepgram_flux"


class FluxSettings(DeepgramSettings):
    """Settings of `deepgram_flux`."""

    model: str
    """Such as "flux-general-en" or "flux-general-multi"."""
    eot_threshold: float = Field(0.7, ge=0.5, le=0.9)
    """How sure it must be that a turn has ended."""
    eager_eot_threshold: float | None = Field(0.5, ge=0.3, le=0.9)
    """How sure it must be to say so early; none: it never does."""
    eot_timeout_ms: int = Field(5000, ge=500, le=10_000)
    """Silence that ends a turn, however sure it is."""
    keyterms: tuple[str, ...] = ()
    mip_opt_out: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> "FluxSettings":
        if self.eager_eot_threshold is not None and self.eager_eot_threshold > self.eot_threshold:
            raise ValueError("eager_eot_threshold must not be above eot_threshold")
        return self


class DeepgramFlux:
    """Deepgram's Flux models: they find the ends of turns by what is said, and tell probable ones early."""

    interface = 1
    capabilities = RecogniserCapabilities(
        partials=True, word_times=True, turns="theirs", eager_end=True, languages=("*",), phrases=True
    )
    Settings = FluxSettings

    def __init__(self, settings: FluxSettings) -> None:
        self._settings = settings
        self._service = TurnService(NAME, SPEECH_HZ, self._endpoint, FluxProtocol)
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
        is_multi = settings.model.endswith("-multi")
        query = {
            "model": settings.model,
            "encoding": "linear16",
            "sample_rate": SPEECH_HZ,
            "eot_threshold": settings.eot_threshold,
            "eager_eot_threshold": settings.eager_eot_threshold,
            "eot_timeout_ms": settings.eot_timeout_ms,
            "keyterm": keyterms((*settings.keyterms, *hints.phrases), in_all=KEYTERM_BYTES),
            "language_hint": hints.language if is_multi else None,
            "mip_opt_out": settings.mip_opt_out or None,
        }
        address = settings.address("/v2/listen", query)
        return Endpoint(
            NAME,
            address,
            settings.headers(),
            speaks_first=True,
            connect_s=settings.connect_s,
            close_codes=CLOSE_CODES,
        )


_SIGNS: Mapping[str, Sign] = {
    "StartOfTurn": Sign.BEGAN,
    "Update": Sign.HEARD,
    "EagerEndOfTurn": Sign.ENDS_EARLY,
    "TurnResumed": Sign.RESUMED,
    "EndOfTurn": Sign.OVER,
}

_ERRORS: Mapping[str, ErrorKind] = {
    "INVALID_AUTH": ErrorKind.AUTH,
    "INSUFFICIENT_PERMISSIONS": ErrorKind.AUTH,
    "TOO_MANY_REQUESTS": ErrorKind.RATE,
}


class FluxProtocol:
    """The messages of `/v2/listen`; implements `TurnProtocol`."""

    def audio(self, samples: Samples) -> Message:
        """Raw samples."""
        return samples.astype("<i2", copy=False).tobytes()

    def end_turn(self) -> Message:
        """Ignored by the service when no turn is running."""
        return '{"type": "ForceEndTurn"}'

    def read(self, message: Message) -> Iterable[TurnSign]:
        """Types and events that are unknown say nothing to us."""
        data = json.loads(message)
        if data["type"] == "Error":
            kind = _ERRORS.get(data["code"], ErrorKind.SERVER)
            raise fault(NAME, kind, f"{data['code']}: {data.get('description', '')}")
        sign = _SIGNS.get(data["event"]) if data["type"] == "TurnInfo" else None
        if sign is None:
            return
        at_s = data["audio_window_start"] if sign is Sign.BEGAN else data["audio_window_end"]
        told = data.get("words", ()) if sign in (Sign.ENDS_EARLY, Sign.OVER) else ()
        words = tuple(_word(word) for word in told if "start" in word and "end" in word)
        confidence = data.get("end_of_turn_confidence")
        language = (data.get("languages") or (None,))[0]
        yield TurnSign(sign, data["transcript"], at_s, words, confidence, language)


def _word(word: dict[str, Any]) -> TimedWord:
    return TimedWord(word["word"], word["start"], word["end"], word.get("confidence"))

"""Cartesia Ink with turns: streamed recognition that finds the ends of turns, early ones too
(`/stt/turns/websocket`)."""

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager

from pydantic import Field, model_validator

from audio.formats import SPEECH_HZ, Samples
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.cartesia.settings import KEYTERM_CHARS, CartesiaSettings, told_error
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.turn_listening import SocketTurnRecogniser, TurnService, listening_for_turns
from stages.providers.sockets.turns import Sign, TurnSign

NAME = "cartesia_turns"


class InkTurnsSettings(CartesiaSettings):
    """Settings of `cartesia_turns`. The thresholds are of the probability that somebody is in a turn."""

    model: str
    """Such as "ink-2"."""
    start_threshold: float = Field(0.8, ge=0.5, le=0.9)
    eager_end_threshold: float = Field(0.4, ge=0.3, le=0.6)
    end_threshold: float = Field(0.2, ge=0.05, le=0.5)
    end_timeout_ms: int = Field(5600, ge=640, le=11_200)
    """Silence that ends a turn, however likely it is that it goes on."""
    keyterms: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> "InkTurnsSettings":
        if not self.end_threshold < self.eager_end_threshold < self.start_threshold:
            raise ValueError("end_threshold < eager_end_threshold < start_threshold must hold")
        return self


class CartesiaInkTurns:
    """Cartesia's Ink with turns: it finds their ends itself, and tells probable ones early; English."""

    interface = 1
    capabilities = RecogniserCapabilities(partials=True, turns="theirs", eager_end=True, phrases=True)
    Settings = InkTurnsSettings

    def __init__(self, settings: InkTurnsSettings) -> None:
        self._settings = settings
        self._service = TurnService(NAME, SPEECH_HZ, self._endpoint, InkTurnsProtocol)
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
        query = {
            "model": settings.model,
            "encoding": "pcm_s16le",
            "sample_rate": SPEECH_HZ,
            "turn_start_threshold": settings.start_threshold,
            "turn_eager_end_threshold": settings.eager_end_threshold,
            "turn_end_threshold": settings.end_threshold,
            "turn_end_timeout_ms": settings.end_timeout_ms,
            "keyterm": keyterms((*settings.keyterms, *hints.phrases), in_all=KEYTERM_CHARS),
        }
        address = settings.address("/stt/turns/websocket", query)
        return Endpoint(NAME, address, settings.headers(), speaks_first=True, connect_s=settings.connect_s)


_SIGNS: Mapping[str, Sign] = {
    "turn.start": Sign.BEGAN,
    "turn.update": Sign.HEARD,
    "turn.eager_end": Sign.ENDS_EARLY,
    "turn.resume": Sign.RESUMED,
    "turn.end": Sign.OVER,
}


class InkTurnsProtocol:
    """The messages of `/stt/turns/websocket`; implements `TurnProtocol`."""

    def audio(self, samples: Samples) -> Message:
        """Raw samples."""
        return samples.astype("<i2", copy=False).tobytes()

    def end_turn(self) -> None:
        """The service cannot be told to."""

    def read(self, message: Message) -> Iterable[TurnSign]:
        """Types that are unknown say nothing to us. There are no times: an event is where the audio is."""
        data = json.loads(message)
        if data["type"] == "error":
            raise told_error(NAME, data)
        if (sign := _SIGNS.get(data["type"])) is not None:
            yield TurnSign(sign, data.get("transcript", ""))

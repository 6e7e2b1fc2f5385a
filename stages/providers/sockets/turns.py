"""The events of turns in the order that `TurnRecogniser` promises, whatever a service or a reconnect makes of it. Pure.

After a reconnect a service hears the running turn again from its beginning: it says once more that it begins, and may
say once more that it ends. Here every turn begins once and ends once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from stages.ports import (
    Transcript,
    TurnBegan,
    TurnEndsEarly,
    TurnEvent,
    TurnHeard,
    TurnOver,
    TurnResumed,
)
from stages.providers.sockets.hearing import TimedWord, heard_words


class Sign(Enum):
    """What a service says of a turn."""

    BEGAN = "began"
    HEARD = "heard"
    ENDS_EARLY = "ends_early"
    RESUMED = "resumed"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class TurnSign:
    """One message about a turn. `text` is all of its words so far; times are seconds on the connection's clock."""

    sign: Sign
    text: str = ""
    at_s: float | None = None
    """Where the turn begins, or how far it has been heard; None where the service does not say."""
    words: tuple[TimedWord, ...] = ()
    confidence: float | None = None
    language: str | None = None


class _State(Enum):
    IDLE = "idle"
    RUNNING = "running"
    EARLY = "early"


class Turns:
    """The turns of one stream."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._state = _State.IDLE
        self._text = ""
        self._began_sample = 0

    @property
    def is_running(self) -> bool:
        """Whether a turn has begun and is not over."""
        return self._state is not _State.IDLE

    def feed(self, sign: TurnSign, sample_at: Callable[[float | None], int]) -> Iterator[TurnEvent]:
        """What to tell. `sample_at` gives the position of a time; of None, that of all audio so far."""
        at = sample_at(sign.at_s)
        if sign.sign is Sign.RESUMED:
            yield from self._resume()
            return
        if self._state is _State.IDLE:
            if sign.sign is Sign.OVER or (sign.sign is Sign.HEARD and not sign.text):
                return  # an end that has been told, or nothing
            self._state, self._text, self._began_sample = _State.RUNNING, "", at
            yield TurnBegan(at)
        elif sign.sign is Sign.BEGAN or sign.text != self._text:
            yield from self._resume()
        match sign.sign:
            case Sign.BEGAN | Sign.HEARD:
                if sign.text and sign.text != self._text:
                    yield TurnHeard(sign.text)
            case Sign.ENDS_EARLY if self._state is not _State.EARLY:
                self._state = _State.EARLY
                yield TurnEndsEarly(self._transcript(sign, sample_at), at)
            case Sign.OVER:
                self._state = _State.IDLE
                yield TurnOver(self._transcript(sign, sample_at), at)
        # A sign that brings no words changes none, but an early end is what it says it is.
        self._text = sign.text if sign.sign is Sign.ENDS_EARLY else sign.text or self._text

    def _resume(self) -> Iterator[TurnEvent]:
        if self._state is _State.EARLY:
            self._state = _State.RUNNING
            yield TurnResumed()

    def _transcript(self, sign: TurnSign, sample_at: Callable[[float | None], int]) -> Transcript:
        def ms_at(seconds: float) -> int:
            return (sample_at(seconds) - self._began_sample) * 1000 // self._rate_hz

        words = heard_words(sign.words, ms_at)
        no_speech = 0.0 if sign.text else 1.0
        return Transcript(sign.text, sign.language or "en", no_speech, 0.0, words, sign.confidence)

"""A recogniser that finds the ends of turns itself, asked about utterances that somebody else has cut."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np

from audio.formats import Samples
from stages.ports import (
    HasSessions,
    Partial,
    RecogniserCapabilities,
    Recognition,
    SpeechHints,
    Transcript,
    TurnBegan,
    TurnEvent,
    TurnHeard,
    TurnOver,
    TurnRecogniser,
    TurnsFailed,
)

SILENCE_S = 0.6
"""What is put after an utterance, in which a recogniser finds its end that cannot be told of it."""

UNHEARD_S = 1.5
"""How long an utterance waits for its first word: then it has none."""


class CutTurns:
    """Every utterance is a stream of its own; a `Recogniser`. `turns` finds the ends of turns."""

    def __init__(self, turns: TurnRecogniser) -> None:
        self.turns = turns

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return self.turns.rate_hz

    @asynccontextmanager
    async def session(self) -> AsyncIterator["CutTurns"]:
        """The same for one session."""
        if not isinstance(self.turns, HasSessions):
            yield self
            return
        async with self.turns.session() as opened:
            yield CutTurns(opened)

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> Recognition:
        """Begin an utterance."""
        return _CutRecognition(self.turns, on_partial, hints)


def as_recogniser(provider: Any) -> Any:
    """The provider, or what it is where the server cuts the utterances."""
    able = getattr(provider, "capabilities", None)
    is_theirs = isinstance(able, RecogniserCapabilities) and able.turns == "theirs"
    return CutTurns(provider) if is_theirs and not hasattr(provider, "open") else provider


class _CutRecognition:
    def __init__(
        self, turns: TurnRecogniser, on_partial: Callable[[Partial], None] | None, hints: SpeechHints
    ) -> None:
        self._rate_hz = turns.rate_hz
        self._on_partial = on_partial
        self._over: list[Transcript] = []
        self._running: str | None = None
        """The words of the turn that runs; None while none does."""
        self._error: Exception | None = None
        self._news = anyio.Event()
        self._stream = turns.open_turns(self._hear, hints=hints)

    def push(self, samples: Samples) -> None:
        self._stream.push(samples)

    async def final(self) -> Transcript:
        self._stream.push(np.zeros(int(SILENCE_S * self._rate_hz), np.int16))
        self._stream.end_turn()
        began_at = anyio.current_time()
        while self._error is None:
            if self._running is None and self._over:
                break
            until = began_at + UNHEARD_S if self._running is None else math.inf
            with anyio.CancelScope(deadline=until) as patience:
                await self._news.wait()
            if patience.cancelled_caught:
                break
            if self._running is not None:
                self._stream.end_turn()  # it had not begun when it was told
        if self._error is not None:
            raise self._error
        text = " ".join(one.text for one in self._over if one.text)
        words = self._over[0].words if len(self._over) == 1 else ()
        language = self._over[-1].language if self._over else "en"
        return Transcript(text, language, 0.0 if text else 1.0, words=words)

    def close(self) -> None:
        self._on_partial = None
        self._stream.close()

    def _hear(self, event: TurnEvent) -> None:
        match event:
            case TurnBegan():
                self._running = ""
            case TurnHeard(text=text):
                self._running = text
            case TurnOver(transcript=transcript):
                self._over.append(transcript)
                self._running = None
            case TurnsFailed(error=error):
                self._error = error
        if isinstance(event, TurnHeard) and self._on_partial is not None:
            before = " ".join(one.text for one in self._over)
            self._on_partial(Partial(f"{before} {event.text}".strip(), before))
        self._news.set()
        self._news = anyio.Event()

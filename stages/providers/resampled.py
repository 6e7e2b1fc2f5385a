"""A recogniser whose sample rate is not the server's, fed with the server's: it hears the same audio, resampled.

The session's clock is the server's, so the places in the events of a stream of turns are counted back to it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields, replace

from audio.formats import Samples
from audio.resample import Resampler
from stages.ports import (
    HasSessions,
    OwnsTurns,
    Partial,
    Recogniser,
    Recognition,
    SpeechHints,
    Transcript,
    TurnEvent,
    TurnRecogniser,
    TurnStream,
)


def at_rate(recogniser: Recogniser, rate_hz: int) -> Recogniser:
    """The recogniser, or the same behind a resampler."""
    return recogniser if recogniser.rate_hz == rate_hz else ResampledRecogniser(recogniser, rate_hz)


class ResampledRecogniser:
    """A `Recogniser` of another rate. `turns` finds the ends of turns, where the recogniser does."""

    def __init__(self, recogniser: Recogniser, rate_hz: int) -> None:
        self._recogniser = recogniser
        self.rate_hz = rate_hz
        """The sample rate that `push` expects."""

    @property
    def turns(self) -> TurnRecogniser | None:
        """What finds the ends of turns, at the same rate."""
        theirs = self._recogniser.turns if isinstance(self._recogniser, OwnsTurns) else None
        return None if theirs is None else _ResampledTurns(theirs, self.rate_hz)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["ResampledRecogniser"]:
        """The same for one session."""
        if not isinstance(self._recogniser, HasSessions):
            yield self
            return
        async with self._recogniser.session() as view:
            yield ResampledRecogniser(view, self.rate_hz)

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> Recognition:
        """Begin an utterance."""
        recognition = self._recogniser.open(on_partial, hints=hints)
        return _ResampledRecognition(recognition, Resampler(self.rate_hz, self._recogniser.rate_hz))


class _ResampledRecognition:
    def __init__(self, recognition: Recognition, resampler: Resampler) -> None:
        self._recognition = recognition
        self._resampler = resampler

    def push(self, samples: Samples) -> None:
        if len(resampled := self._resampler.process(samples)):
            self._recognition.push(resampled)

    async def final(self) -> Transcript:
        return await self._recognition.final()

    def close(self) -> None:
        self._recognition.close()


class _ResampledTurns:
    def __init__(self, turns: TurnRecogniser, rate_hz: int) -> None:
        self._turns = turns
        self.rate_hz = rate_hz

    def open_turns(
        self, on_event: Callable[[TurnEvent], None], *, hints: SpeechHints = SpeechHints()
    ) -> TurnStream:
        theirs_hz, ours_hz = self._turns.rate_hz, self.rate_hz

        def placed(event: TurnEvent) -> None:
            places = {
                field.name: getattr(event, field.name) * ours_hz // theirs_hz
                for field in fields(event)
                if field.name == "at_sample"
            }
            on_event(replace(event, **places))

        return _ResampledStream(self._turns.open_turns(placed, hints=hints), Resampler(ours_hz, theirs_hz))


class _ResampledStream:
    def __init__(self, stream: TurnStream, resampler: Resampler) -> None:
        self._stream = stream
        self._resampler = resampler

    def push(self, samples: Samples) -> None:
        if len(resampled := self._resampler.process(samples)):
            self._stream.push(resampled)

    def end_turn(self) -> None:
        self._stream.end_turn()

    def close(self) -> None:
        self._stream.close()

"""The embedded recogniser: English speech to text on one thread for all sessions, offline.

Theory of operation. Whisper does not stream, so an utterance that is still going on is read again from time to time.
Three kinds of reading share one worker:

- *final*, when the session asks for the text. Goes before everything else.
- *ahead*, when the speaker has paused: what follows may be silence, and then this is already the final text. The
  pause that a session waits for before it asks lasts longer than the reading, so mostly nobody waits for a final.
- *partial*, every 0.8 s while somebody speaks. Only if nothing else waits, and it gives up half-way for a final.

A reading is the final one if nothing after it may be speech (`quiet`). An utterance has one reading under way at a
time; a newer one replaces it as long as it waits. Speech of more than 15 s is cut, and what lies before the cut is read
for the last time and forgotten, so that neither memory nor the time of a final grow with the utterance.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, Self, TypeAlias

import anyio

from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from stages.errors import ProviderError
from stages.ports import Partial, Transcript
from stages.providers.agreement import Agreement
from stages.providers.speech_buffer import SpeechBuffer
from stages.providers.whisper_model import Segment, WhisperModel
from stages.providers.whisper_text import Reading
from stages.providers.worker import Job, JobState, Worker, WorkerStatistics

FINAL, AHEAD, PARTIAL = 0, 1, 2
"""Priorities on the worker."""

PARTIAL_EVERY_SAMPLES = ms_to_samples(800, SPEECH_HZ)
_PARTIAL_SHARE = 6
"""A long stretch takes longer to read, so partials wait for a sixth of its length, and cost less than 40 % of a core."""

_PAUSE_SAMPLES = ms_to_samples(160, SPEECH_HZ)
"""Longer than the silence within a word, shorter than what any session takes for the end of a turn."""

_LOOK_EVERY_SAMPLES = ms_to_samples(80, SPEECH_HZ)
_TAIL_SAMPLES = ms_to_samples(100, SPEECH_HZ)
"""Silence that a reading must have heard after the last word, or that word may have been cut."""

_MOST_WAITING = {PARTIAL: 0, AHEAD: 8}
"""Calls that may wait on the worker when a reading that nobody has asked for is added."""

Segments: TypeAlias = list[Segment]


class Model(Protocol):
    """The part of `WhisperModel` that is used."""

    def transcribe(self, samples: Samples, keep_going: Callable[[], bool] = ...) -> Segments | None:
        """The segments of `int16[n]`; None if it was told not to go on. Blocks. Raises ProviderError."""


class EmbeddedRecogniser:
    """`stages.ports.Recogniser` for English."""

    rate_hz = SPEECH_HZ

    def __init__(self, model: Model, worker: Worker) -> None:
        self._model = model
        self._worker = worker

    @classmethod
    def load(cls, directory: Path, *, threads: int = 2) -> Self:
        """Load the model in `directory`. Blocks for about 0.7 s. Raises ModelFileError."""
        return cls(WhisperModel.load(directory, threads=threads), Worker("recogniser"))

    def open(self, on_partial: Callable[[Partial], None] | None = None) -> "Utterance":
        """Begin an utterance; call it on the event loop."""
        return Utterance(self._model, self._worker, on_partial)

    def statistics(self) -> WorkerStatistics:
        """How busy the thread is."""
        return self._worker.statistics()

    def close(self) -> None:
        """End the thread. Blocks until the reading it is in is done, so call it off the loop."""
        self._worker.close()


class Utterance:
    """One utterance on its way to text: `stages.ports.Recognition`."""

    def __init__(self, model: Model, worker: Worker, on_partial: Callable[[Partial], None] | None) -> None:
        self._model = model
        self._worker = worker
        self._on_partial = on_partial
        self._audio = SpeechBuffer()
        self._next_look_sample = _LOOK_EVERY_SAMPLES
        self._text = _Text()
        self._under_way: _UnderWay | None = None
        self._is_closed = False

    def push(self, samples: Samples) -> None:
        """Append `int16[n]` at 16 kHz. Never waits; now and then has the worker read what there is."""
        if self._is_closed:
            return
        self._audio.append(samples)
        if self._audio.end_sample >= self._next_look_sample:
            self._next_look_sample = self._audio.end_sample + _LOOK_EVERY_SAMPLES
            self._read_unasked()

    async def final(self) -> Transcript:
        """The text of everything pushed so far; more may be pushed and asked again afterwards.

        Raises ProviderError. Cancel-safe: a cancelled call leaves the utterance as it was.
        """
        wanted_sample = self._audio.end_sample
        while not self._is_closed:
            if not self._is_missing(self._text.read_sample, wanted_sample):
                return self._text.transcript()
            under_way = self._under_way
            if (
                under_way is None
                or not under_way.is_running
                or self._is_missing(under_way.end, wanted_sample)
            ):
                await self._read_now()
            else:
                await under_way.ended.wait()
        raise ProviderError("the utterance was closed")

    def close(self) -> None:
        """Let go of the utterance; no partial is reported afterwards. May be called twice."""
        self._is_closed = True
        self._drop_under_way()

    def _is_missing(self, read_sample: int, wanted_sample: int) -> bool:
        """Whether a reading up to `read_sample` may lack words that end before `wanted_sample`."""
        return self._audio.has_speech(read_sample - _TAIL_SAMPLES, wanted_sample)

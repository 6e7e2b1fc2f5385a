"""The embedded recognisers: Whisper tiny.en, or another model that reads stretches, behind one worker thread that all
sessions share.

Finals overtake partials, and a partial that is under way makes room for them. A partial is a reading of the utterance
so far, made as often as the model says while the worker has nothing else to do (Whisper: every 0.8 s of new audio);
words on which two readings in a row agree are stable and never taken back.

An utterance remembers its newest reading, so nothing is read twice: not the beginning of what is long, and
nothing at all when only quiet was added since. A caller may therefore ask for the final as soon as the voice
is gone, and again, at no cost, when it is certain that the person has finished.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import Match, SequenceMatcher
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ProviderError
from stages.ports import Partial, RecogniserCapabilities, SpeechHints, Transcript
from stages.providers.whisper.model import WhisperModel
from stages.providers.whisper.segments import Segment, is_whole, still_valid
from stages.providers.whisper.text import bare
from stages.runtime.models import model_dir
from stages.runtime.worker import Job, Worker
from stages.text.words import join_words, split_words

FINAL, PARTIAL = 0, 1

EARLY_S = 2.0


class StretchModel(Protocol):
    """A model that reads an utterance in stretches, such as `WhisperModel`."""

    partial_every_samples: int
    """So much new audio is worth another partial reading."""
    early_partial_samples: int
    """The same in the first `EARLY_S` of an utterance: two readings must agree before a caption is certain."""
    longest_samples: int
    """So much is read in one piece."""
    unclear_below: float
    """As `Transcript` has it."""

    def transcribe(
        self,
        samples: Samples,
        keep_going: Callable[[], bool] = lambda: True,
        known: Sequence[Segment] = (),
        most: float = math.inf,
    ) -> list[Segment] | None:
        """As `WhisperModel.transcribe`; blocks. Raises ProviderError."""


class RecogniserSettings(BaseModel):
    """What may be configured of the embedded recogniser."""

    model_config = ConfigDict(extra="forbid")

    threads: int = Field(1, ge=1, le=64, description="threads that one reading may use")


class EmbeddedRecogniser:
    """Whisper tiny.en on this machine's CPU, English only."""

    interface = 1
    title = "Whisper tiny.en (embedded)"
    capabilities = RecogniserCapabilities(partials=True, phrases=True)
    Settings = RecogniserSettings
    language = "en"

    def __init__(self, model: StretchModel, worker: Worker) -> None:
        self.model = model
        self.worker = worker

    @classmethod
    def from_settings(cls, settings: RecogniserSettings) -> Self:
        """Load the model from the store; blocks. Raises ModelFileError."""
        return cls.load(model_dir("whisper-tiny.en"), threads=settings.threads)

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Load the model in `directory`; blocks for about half a second. Raises ModelFileError."""
        return cls(WhisperModel.load(directory, threads=threads), Worker("recogniser"))

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return SPEECH_HZ

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> "EmbeddedRecognition":
        """Begin an utterance, in which phrases that are due are listened for."""
        if hints.phrases and isinstance(self.model, WhisperModel):
            return EmbeddedRecognition(self, on_partial, self.model.listening_for(hints.phrases))
        return EmbeddedRecognition(self, on_partial)

    def close(self) -> None:
        """End the thread. Blocks until the decode it is in is done, so call it off the loop."""
        self.worker.close()


class EmbeddedRecognition:
    """One utterance."""

    def __init__(
        self,
        recogniser: EmbeddedRecogniser,
        on_partial: Callable[[Partial], None] | None,
        model: StretchModel | None = None,
    ) -> None:
        """`model` reads it, if not the recogniser's; it may have a `language` of its own."""
        self._recogniser = recogniser
        self._model = model or recogniser.model
        self._on_partial = on_partial
        self._stretches: list[Samples] = []
        self._new_samples = self._samples = 0
        self._job: Job[list[Segment] | None] | None = None
        self._last_words: Sequence[str] = ()
        self._stable = ""
        self._newest: tuple[Segment, ...] = ()
        """The newest reading; the worker's thread writes it, in one piece."""

    def push(self, samples: Samples) -> None:
        """More audio; now and then this starts a partial reading."""
        self._stretches.append(samples)
        self._new_samples += len(samples)
        self._samples += len(samples)
        model = self._model
        is_early = self._samples < EARLY_S * SPEECH_HZ
        enough = self._new_samples >= (
            model.early_partial_samples if is_early else model.partial_every_samples
        )
        if self._on_partial is not None and enough and self._job is None:
            self._read_partly()

    async def final(self) -> Transcript:
        """The text of everything pushed so far, at once if only quiet came since it was last read. What is long
        makes room for others after each piece.

        Raises ProviderError. Cancel-safe: what is read nevertheless, is read for the next caller.
        """
        self._drop_partial()
        audio = self._audio()
        longest = self._model.longest_samples
        known = still_valid(self._newest, audio, longest)
        while not is_whole(known, audio):
            segments = await self._recogniser.worker.run(lambda: self._read(audio, most=1), priority=FINAL)
            known = segments or []
        return replace(
            _transcript(known, self._model.unclear_below),
            language=getattr(self._model, "language", self._recogniser.language),
        )

    def close(self) -> None:
        """Let go; no partial is reported afterwards."""
        self._on_partial = None
        self._drop_partial()
        self._stretches.clear()

    def _audio(self) -> Samples:
        if not self._stretches:
            return np.zeros(0, np.int16)
        self._stretches = [np.concatenate(self._stretches)]
        return self._stretches[0]

    def _read_partly(self) -> None:
        worker = self._recogniser.worker
        load = worker.statistics()
        self._new_samples = 0
        if load.waiting or load.running:
            return  # somebody waits for a final: captions can wait
        audio = self._audio()
        if is_whole(still_valid(self._newest, audio, self._model.longest_samples), audio):
            return  # there is nothing new to tell

        def read() -> list[Segment] | None:
            return self._read(audio, keep_going=lambda: not worker.is_outranked(PARTIAL))

        try:
            self._job = worker.submit(read, self._read_done, priority=PARTIAL)
        except ProviderError:
            return  # the final will say what is wrong

    def _read(
        self, audio: Samples, keep_going: Callable[[], bool] = lambda: True, most: float = math.inf
    ) -> list[Segment] | None:
        """Read what is not known yet, `most` pieces of it, and remember it. On the worker's thread."""
        segments = self._model.transcribe(audio, keep_going, self._newest, most)
        if segments is not None:
            self._newest = tuple(segments)
        return segments

    def _read_done(self, job: Job[list[Segment] | None]) -> None:
        self._job = None
        if self._on_partial is None:
            return
        try:
            segments = job.result()
        except ProviderError:
            return  # the final will say what is wrong
        if segments is not None:
            self._report(split_words(_transcript(segments).text), self._on_partial)

    def _report(self, words: Sequence[str], on_partial: Callable[[Partial], None]) -> None:
        kept = split_words(self._stable)
        rest = _beyond(kept, words)
        agreed = _agreed(_beyond(kept, self._last_words), rest)
        self._last_words = words
        self._stable = join_words([*kept, *agreed])
        on_partial(Partial(join_words([*kept, *rest]), self._stable))

    def _drop_partial(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None


def _beyond(kept: Sequence[str], words: Sequence[str]) -> Sequence[str]:
    """What `words` say after `kept`, which they may begin with in other words ("And Mister" for "Mr.")."""
    matcher = SequenceMatcher(None, [bare(word) for word in kept], [bare(word) for word in words], False)
    last = next((block for block in reversed(matcher.get_matching_blocks()) if block.size), Match(0, 0, 0))
    return words[last.b + len(kept) - last.a :]


def _agreed(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """The words at the beginning of both."""
    agreed = []
    for old, new in zip(before, now, strict=False):
        if bare(old) != bare(new):
            break
        agreed.append(new)
    return agreed


def _transcript(segments: Sequence[Segment], unclear_below: float | None = None) -> Transcript:
    readings = [segment.reading for segment in segments]
    if not readings:
        return Transcript("", no_speech=1.0)
    return Transcript(
        join_words(reading.text for reading in readings if reading.text),
        no_speech=min(reading.no_speech for reading in readings),
        log_probability=min(reading.log_probability for reading in readings),
        unclear_below=unclear_below,
    )

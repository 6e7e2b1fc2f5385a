"""Moonshine from samples to text: a blocking function whose cost goes with the length of the speech.

What it needs is seen to here: speech at a level that it knows, a little silence on both sides, and a second opinion
where the first is doubtful. Doubtful is what ran in circles, what says one thing again and again, what is improbable,
and what has far fewer words than there is voice. Then it is read again with other silence around it, and at last in
parts, cut at its pauses or in the middle: numbers in groups are read whole that way. A word by itself that is over,
and is a little improbable or nothing, is read with each of its likeliest beginnings, in two ways, and the likeliest as
a whole counts: the network takes a single word for nothing, or for part of a rarer one, more often than it mishears it.
So is one that is not what the agent has asked for. A word whose end is hard to hear is weighed against the one that it
may have been.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from stages.errors import ProviderError
from stages.ports import Expects
from stages.providers.moonshine.decode import Hypothesis, token_limit
from stages.providers.moonshine.doubt import (
    VOICE_S,
    Opinion,
    best_of,
    joined,
    likeliest_word,
)
from stages.providers.moonshine.endings import longer_than
from stages.providers.moonshine.engine import MoonshineEngine
from stages.providers.moonshine.prior import WITHIN, prior
from stages.providers.whisper.quiet import FRAME_SAMPLES, frame_levels, loud_frames, pauses, quietest_sample
from stages.providers.whisper.segments import Segment, Stretch, next_stretch, read_on
from stages.providers.whisper.text import Reading
from stages.runtime.onnx import Floats

LONGEST_SAMPLES = 8 * SPEECH_HZ
"""Of audio read in one piece, so that no reading takes long."""

LEVEL_DBFS = -20.0
"""Of the loudest fifth of the frames, as the recogniser gets them."""

_MOST_GAIN = 100.0
_LOUDEST = 0.2

_AROUND_MS = ((200, 200), (200, 1000), (0, 0))
"""Silence before and after the speech, at the first try and at the next ones. A word by itself gets the first two."""

UNCLEAR_BELOW = -0.4
"""Mean log probability of a token below which a word was hardly said, by `scripts/bench-hums`."""

_BEGINNINGS = 6
"""So many readings of a word by itself are weighed, each with another first token."""
_PART_PAUSE_MS = 240

_HALVED_SAMPLES = 4 * SPEECH_HZ
"""From here on what has no pauses is cut at its quietest place: some seconds of quiet speech in noise are taken for
nothing as a whole."""

_OVER_FRAMES = 3
"""So many quiet ones at the end of speech, and nobody is in the middle of a word."""

NOTHING = Reading("", no_speech=1.0)


class Engine(Protocol):
    """The two networks, as `MoonshineEngine` runs them."""

    def read(
        self, wave: Floats, most_tokens: int, guess: Sequence[int], keep_going: Callable[[], bool]
    ) -> Hypothesis | None:
        """As `MoonshineEngine.read`."""

    def read_openings(
        self, wave: Floats, most_tokens: int, count: int, within: float, keep_going: Callable[[], bool]
    ) -> list[Hypothesis] | None:
        """As `MoonshineEngine.read_openings`."""

    def weigh(self, wave: Floats, words: Sequence[str], keep_going: Callable[[], bool]) -> list[float] | None:
        """As `MoonshineEngine.weigh`."""

    def respell(
        self, wave: Floats, text: str, phrases: Sequence[str], keep_going: Callable[[], bool]
    ) -> str | None:
        """As `MoonshineEngine.respell`."""

    def forget(self) -> None:
        """As `MoonshineEngine.forget`."""

    def text(self, hypothesis: Hypothesis) -> str:
        """The text of its tokens."""

    def pieces(self, text: str) -> int:
        """As `MoonshineEngine.pieces`."""


class MoonshineModel:
    """The loaded model; `transcribe` blocks and is called by one thread."""

    partial_every_samples = ms_to_samples(500, SPEECH_HZ)
    early_partial_samples = ms_to_samples(160, SPEECH_HZ)
    longest_samples = LONGEST_SAMPLES
    unclear_below = UNCLEAR_BELOW

    def __init__(
        self, engine: Engine, expects: Expects = Expects.FREE, phrases: tuple[str, ...] = ()
    ) -> None:
        self._engine = engine
        self._expects = expects
        self._phrases = phrases

    @classmethod
    def load(cls, directory: Path, *, threads: int) -> Self:
        """Load, and read something short, so that the first reading takes no longer than others: blocks for a quarter
        of a second. Raises ModelFileError if the files or the library do not do."""
        engine = MoonshineEngine(directory, threads)
        engine.read(np.zeros(SPEECH_HZ // 4, np.float32), 2)
        return cls(engine)

    def expecting(self, expects: Expects, phrases: tuple[str, ...] = ()) -> "MoonshineModel":
        """The same model, told what kind of answer the agent has asked for, which counts for a word by itself, and
        which phrases are likely to be said."""
        return MoonshineModel(self._engine, expects, phrases)

    def transcribe(
        self,
        samples: Samples,
        keep_going: Callable[[], bool] = lambda: True,
        known: Sequence[Segment] = (),
        most: float = math.inf,
    ) -> list[Segment] | None:
        """The text of `int16[n]` at 16 kHz, as `WhisperModel.transcribe` has it; `keep_going` is asked between tokens.
        Raises ProviderError."""
        starts = (0, *(segment.stretch.end_sample for segment in known))
        guesses = {start: segment.reading.written for start, segment in zip(starts, known, strict=False)}

        def read(start: int) -> Segment | None:
            return self._read_segment(samples, start, guesses.get(start, ()), keep_going)

        try:
            return read_on(known, samples, most, read, self.longest_samples)
        except Exception as error:  # onnxruntime's have no root of their own
            raise ProviderError(f"the embedded recogniser failed: {error}") from error
        finally:
            self._engine.forget()

    def _read_segment(
        self, samples: Samples, start: int, guess: Sequence[int], keep_going: Callable[[], bool]
    ) -> Segment | None:
        stretch = next_stretch(samples, start, self.longest_samples)
        if stretch.heard_from == stretch.heard_to:
            return Segment(stretch, NOTHING)
        speech = samples[stretch.heard_from : stretch.heard_to]
        segment = self._believed(stretch, speech, guess, keep_going)
        if segment is None or not self._phrases or not keep_going():
            return segment
        reading = self._with_phrases(segment.reading, speech, keep_going)
        return None if reading is None else Segment(stretch, reading)

    def _with_phrases(
        self, reading: Reading, speech: Samples, keep_going: Callable[[], bool]
    ) -> Reading | None:
        """The reading with what was probably said of the phrases that are due; nothing is one only when it is over."""
        if not reading.text and not (is_over(speech) and voiced_s(at_level(speech)) >= VOICE_S):
            return reading
        wave = _with_quiet(at_level(speech), *_AROUND_MS[0])
        text = self._engine.respell(wave, reading.text, self._phrases, keep_going)
        if text is None or text == reading.text:
            return None if text is None else reading
        return replace(reading, text=text, no_speech=0.0)

    def _believed(
        self, stretch: Stretch, speech: Samples, guess: Sequence[int], keep_going: Callable[[], bool]
    ) -> Segment | None:
        """The reading to believe, of all that are worth their time."""
        opinions: list[Opinion] = []
        for opinion in self._opinions(speech, guess, keep_going):
            if opinion is None or not keep_going():
                return None
            is_word = not opinions and opinion.is_word and is_over(speech)
            opinions.append(opinion.as_expected(self._expects) if is_word else opinion)
            if is_word and opinions[0].is_unsure_word(self._expects):
                others = self._beginnings(at_level(speech), keep_going)
                if others is None:
                    return None
                best = likeliest_word(opinions[0], others, self._expects, self._prior)
                if best.reading.text or not pauses(speech, _PART_PAUSE_MS):
                    return self._to_its_end(stretch, best.reading, speech, keep_going)
                continue  # with pauses in it, nothing may be letters one by one
            if not opinion.is_doubtful:
                if is_word:
                    return self._to_its_end(stretch, opinions[0].reading, speech, keep_going)
                break
        return Segment(stretch, best_of(opinions).reading)

    def _to_its_end(
        self, stretch: Stretch, reading: Reading, speech: Samples, keep_going: Callable[[], bool]
    ) -> Segment | None:
        """A word by itself as it was read, or the longer one that it may have been."""
        if (found := longer_than(reading.text)) is None:
            return Segment(stretch, reading)
        word, longer, less = found
        weights = self._engine.weigh(
            _with_quiet(at_level(speech), *_AROUND_MS[1]), (word, longer), keep_going
        )
        if weights is None or not keep_going():
            return None
        is_longer = weights[1] > weights[0] - less
        return Segment(stretch, replace(reading, text=f"{longer}.") if is_longer else reading)

    def _prior(self, text: str) -> float:
        return prior(text, self._engine.pieces(text), self._expects)

    def _beginnings(self, wave: Floats, keep_going: Callable[[], bool]) -> list[list[Opinion]] | None:
        """What a word by itself may be: the readings with its most probable beginnings, in two ways."""
        voice_s = voiced_s(wave)
        readings: list[list[Opinion]] = []
        for around_ms in _AROUND_MS[:2]:
            found = self._engine.read_openings(
                _with_quiet(wave, *around_ms),
                token_limit(len(wave) / SPEECH_HZ),
                _BEGINNINGS,
                WITHIN,
                keep_going,
            )
            if found is None or not keep_going():
                return None
            readings.append([Opinion.of(one, self._engine.text(one), voice_s) for one in found])
        return readings

    def _opinions(
        self, speech: Samples, guess: Sequence[int], keep_going: Callable[[], bool]
    ) -> Iterator[Opinion | None]:
        """One reading after the other, each in another way; None is the last, if not to go on."""
        wave = at_level(speech)
        for before_ms, after_ms in _AROUND_MS:
            yield self._opinion(wave, before_ms, after_ms, guess, keep_going)
        cuts = pauses(speech, _PART_PAUSE_MS)
        if not cuts and len(speech) >= _HALVED_SAMPLES:
            cuts = [quietest_sample(speech, len(speech) // 3, len(speech) * 2 // 3)]
        edges = [0, *cuts, len(wave)]
        if cuts:
            before_ms, after_ms = _AROUND_MS[0]
            parts = []
            for first, last in pairwise(edges):
                part = self._opinion(wave[first:last], before_ms, after_ms, (), keep_going)
                if part is None:
                    yield None
                    return
                parts.append(part)
            yield joined(parts)

    def _opinion(
        self,
        wave: Floats,
        before_ms: int,
        after_ms: int,
        guess: Sequence[int],
        keep_going: Callable[[], bool],
    ) -> Opinion | None:
        hypothesis = self._engine.read(
            _with_quiet(wave, before_ms, after_ms), token_limit(len(wave) / SPEECH_HZ), guess, keep_going
        )
        if hypothesis is None:
            return None
        return Opinion.of(hypothesis, self._engine.text(hypothesis), voiced_s(wave))


def _with_quiet(wave: Floats, before_ms: int, after_ms: int) -> Floats:
    before, after = (np.zeros(ms_to_samples(ms, SPEECH_HZ), np.float32) for ms in (before_ms, after_ms))
    return np.concatenate([before, wave, after])


def at_level(speech: Samples) -> Floats:
    """`float32[n]` of `int16[n]`, with its loud part at `LEVEL_DBFS`; what would exceed full scale is clipped."""
    wave: Floats = (speech / np.float32(32768)).astype(np.float32)
    levels = np.sort(frame_levels(speech))
    if not len(levels):
        return wave
    loud = float(levels[-max(1, int(len(levels) * _LOUDEST)) :].mean())
    gain = min(10 ** ((LEVEL_DBFS - loud) / 20), _MOST_GAIN)
    leveled: Floats = np.clip(wave * gain, -1.0, 1.0).astype(np.float32)
    return leveled


def is_over(speech: Samples) -> bool:
    """Whether it is quiet at its end, so that its last word is whole."""
    return not loud_frames(frame_levels(speech))[-_OVER_FRAMES:].any()


def voiced_s(wave: Floats) -> float:
    """How long something is loud in it."""
    frames = loud_frames(frame_levels((wave * 32767).astype(np.int16)))
    return float(frames.sum()) * FRAME_SAMPLES / SPEECH_HZ

"""Whisper for several languages: each utterance is read in the one that is known, or that it seems to be in.

The model names the language by the first seconds of sound. Where it is unsure, the utterance is read in the two
likeliest languages, and what was read decides: by how sure the reading is, and by its words. Of a word or two it is
wrong half of the time, and sure of it: those are in the language that was spoken before.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from audio.formats import SPEECH_HZ, Samples
from stages.providers.whisper.model import MultilingualModel
from stages.providers.whisper.segments import LONGEST_SAMPLES, Segment
from stages.text.guess import guess_language

SURE = 0.85
"""A language that is so probable among those that are spoken here is it."""
DECIDED_SAMPLES = 2 * SPEECH_HZ
"""Of an utterance of so much the language does not change any more."""
_LAST = 3.0
"""So many times as probable is the language that was spoken before."""
_WORDS = 0.3
"""What words of the language itself are worth, as log probability."""

Models = Mapping[str, MultilingualModel]
"""By language, the one spoken first where nothing else is known; they share their weights."""


class LanguageReader:
    """Reads one utterance in the language that it is in; a `StretchModel`. For the worker's thread."""

    partial_every_samples = MultilingualModel.partial_every_samples
    early_partial_samples = MultilingualModel.early_partial_samples
    longest_samples = LONGEST_SAMPLES
    unclear_below = MultilingualModel.unclear_below

    def __init__(self, models: Models, last: str | None = None) -> None:
        """`last` is what was spoken before, if that is known."""
        self._models = models
        self._last = last if last in models else None
        self.language = self._last or next(iter(models))
        """What it has been read in."""
        self._decided = len(models) == 1

    def transcribe(
        self,
        samples: Samples,
        keep_going: Callable[[], bool] = lambda: True,
        known: Sequence[Segment] = (),
        most: float = math.inf,
    ) -> list[Segment] | None:
        """As `WhisperModel.transcribe`."""
        if not self._decided:
            likely = self._likely(samples)
            if len(likely) > 1:
                return self._by_text(likely, samples, keep_going, most)
            known = known if likely[0] == self.language else ()
            self._take(likely[0], samples)
        return self._models[self.language].transcribe(samples, keep_going, known, most)

    def _likely(self, samples: Samples) -> list[str]:
        """The language, or the two that it may be."""
        if self._last is not None and len(samples) < DECIDED_SAMPLES:
            return [self._last]
        found = next(iter(self._models.values())).languages_of(samples)
        odds = {code: found.get(code, 0.0) * (_LAST if code == self._last else 1.0) for code in self._models}
        total = sum(odds.values())
        first, second = sorted(odds, key=lambda code: odds[code], reverse=True)[:2]
        return [first] if not total or odds[first] >= SURE * total else [first, second]

    def _by_text(
        self, likely: Sequence[str], samples: Samples, keep_going: Callable[[], bool], most: float
    ) -> list[Segment] | None:
        readings = dict[str, list[Segment]]()
        for code in likely:
            read = self._models[code].transcribe(samples, keep_going, (), most)
            if read is None:
                return None
            readings[code] = read
        best = max(readings, key=lambda code: _score(readings[code], code))
        self._take(best, samples)
        return readings[best]

    def _take(self, code: str, samples: Samples) -> None:
        self.language = code
        self._decided = len(samples) >= DECIDED_SAMPLES


def _score(segments: Sequence[Segment], code: str) -> float:
    """How well a reading fits its language."""
    readings = [segment.reading for segment in segments if segment.reading.text]
    if not readings:
        return -math.inf
    words = guess_language(" ".join(reading.text for reading in readings))
    sure = sum(reading.log_probability for reading in readings) / len(readings)
    return sure + (_WORDS if words == code else -_WORDS if words is not None else 0.0)

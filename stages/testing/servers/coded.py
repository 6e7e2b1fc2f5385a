"""Audio that carries its own words, so that a fake need not guess what it was sent.

A *coded word* is a tone of one sample value, which says which word it is, and a gap. One that is cut in the middle and
goes on elsewhere is heard by neither side; one that is sent twice is heard twice. A *coded voice* speaks each character
as a stretch of one sample value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from audio.formats import Samples

_WORD_BASE, _WORD_STEP, _WORD_NOISE = 2000, 100, 20
_CHAR_BASE, _CHAR_STEP = 1000, 40
_VOICES = 20
"""Voices differ in the last digits of their sample values."""


@dataclass(frozen=True, slots=True)
class CodedWord:
    """A word and where it lies, in samples of what was pushed."""

    text: str
    start_sample: int
    end_sample: int


class CodedWords:
    """The words of a text as audio, and back."""

    def __init__(self, text: str, *, rate_hz: int = 16_000, word_ms: int = 100) -> None:
        self.words = tuple(dict.fromkeys(text.split()))
        self.text = text
        self.rate_hz = rate_hz
        self.word_samples = rate_hz * word_ms // 1000

    def samples(self, text: str | None = None) -> Samples:
        """The audio in which `text` is said, by default all; `int16[n]`."""
        gap = self.word_samples // 5
        words = [self._word(word, gap) for word in (text or self.text).split()]
        return np.concatenate(words) if words else np.zeros(0, np.int16)

    def ear(self) -> "CodedEar":
        """Hears one stream from its beginning."""
        return CodedEar(self.words, self.word_samples)

    def _word(self, word: str, gap: int) -> Samples:
        tone = np.full(self.word_samples, _WORD_BASE + _WORD_STEP * self.words.index(word), np.int16)
        tone[-gap:] = 0
        return tone


class CodedEar:
    """Words out of samples of any cut."""

    def __init__(self, words: Sequence[str], word_samples: int) -> None:
        self._words = words
        self._least = word_samples // 2
        self._run = 0
        self._start = 0
        self.at = 0
        """How much has been pushed."""

    def push(self, samples: Samples) -> list[CodedWord]:
        """The words that are complete with `int16[n]`."""
        codes = _codes(samples)
        edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(samples)]
        heard: list[CodedWord] = []
        for begin, end in pairwise(edges):
            if begin == end:
                continue
            value = int(codes[begin])
            if value != self._run:
                heard += self.flush(self.at + begin)
                self._run, self._start = value, self.at + begin
        self.at += len(samples)
        return heard

    def flush(self, at: int | None = None) -> list[CodedWord]:
        """The word that is not quite complete, if enough of it has come."""
        end = self.at if at is None else at
        word = self._present(end)
        self._run = 0
        return [CodedWord(word, self._start, end)] if word else []

    @property
    def guess(self) -> str:
        """The word that is being said, if enough of it has come."""
        return self._present(self.at)

    def _present(self, end: int) -> str:
        is_word = 0 < self._run <= len(self._words) and end - self._start >= self._least
        return self._words[self._run - 1] if is_word else ""


def _codes(samples: Samples) -> npt.NDArray[np.int32]:
    """For each sample the number of its word, from 1; 0 for none. A little noise, as of a resampler, is ignored."""
    above = samples.astype(np.int32) - _WORD_BASE + _WORD_STEP // 2
    codes = above // _WORD_STEP + 1
    return np.where((above < 0) | (np.abs(above % _WORD_STEP - _WORD_STEP // 2) > _WORD_NOISE), 0, codes)


def coded_speech(
    text: str, *, rate_hz: int, speed: float = 1.0, voice: int = 0, char_ms: float = 50
) -> Samples:
    """The characters of `text` as audio; nothing at all if there is no letter or digit in it."""
    if not any(map(str.isalnum, text)):
        return np.zeros(0, np.int16)
    length = char_samples(rate_hz, speed, char_ms)
    values = [_CHAR_BASE + _CHAR_STEP * (ord(char) & 0xFF) + voice % _VOICES for char in text]
    return np.repeat(np.array(values, np.int16), length)


def char_samples(rate_hz: int, speed: float = 1.0, char_ms: float = 50) -> int:
    """How long a character lasts."""
    return round(rate_hz * char_ms / 1000 / speed)


def said(samples: Samples, *, rate_hz: int, speed: float = 1.0, char_ms: float = 50) -> str:
    """The text in coded speech, for a test; a broken stretch becomes other characters, or one too many."""
    middles = samples[char_samples(rate_hz, speed, char_ms) // 2 :: char_samples(rate_hz, speed, char_ms)]
    return "".join(chr(max(0, (int(value) - _CHAR_BASE) // _CHAR_STEP)) for value in middles)

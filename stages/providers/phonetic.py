"""What voices that are given phonemes share: pieces of a text, the level of their sound, and where its words lie.

An engine says of each phoneme where in the raw sound it lies (`Clip`). Words of a sentence are found in its phonemes;
only where they cannot be found ("$3.2 billion": three point two billion dollars) are their times estimated.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from audio.formats import Samples, ms_to_samples
from audio.levels import fade_out, from_float, sounding
from stages.ports import Speech, WordTime
from stages.text.sentences import Sentences
from stages.text.word_times import by_length, is_word

Floats: TypeAlias = npt.NDArray[np.float32]

RATE_HZ = 24_000

LIMIT_FROM = 0.8
"""Share of full scale above which peaks are rounded off. Ordinary sentences do not get there."""

_HEAD_MS = 20
_FADE_MS = 5
_PAUSES_MS = {".": 250, "!": 250, "?": 250, ":": 220, "…": 200, "—": 180, ";": 160, ",": 120}
"""Silence after a piece, by its last mark. Within a sentence such voices pause 50 to 280 ms at these."""

_NO_PAUSE_MS = 50
_LONG_CLAUSE_CHARS, _LONG_WORD_CHARS = 140, 220
"""Longer sentences are cut at a clause or a word: one call keeps the others waiting no longer than that takes."""

_APART = re.compile(r"\S*[^\W\d_]\S*")
"""Phonemes without a space between them, among them one that is no mark."""

_MARKS = ".,;:!?…—–\"'“”‘’()¿¡"

Span = tuple[int, int]
"""From a sample up to another."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Raw sound, `float32[n]`. Character i of the phonemes lies between samples `bounds[i]` and `bounds[i + 1]`."""

    samples: Floats
    bounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """How one voice says what it is given."""

    phonemize: Callable[[str], list[str]]
    """A text's phonemes, a string for each call of the engine; words that are spoken apart stand apart."""
    speak: Callable[[str], Clip]
    """The sound of one such string."""
    gain_db: float
    """Always the same, because a gain per sentence would make the voice pump."""
    ahead_samples: int = 0
    """How far the sound runs ahead of what the engine says of it."""

    def say(self, sentence: str) -> Speech:
        """Its sound, and its words in it. No samples where there are no phonemes for it. Blocks."""
        samples, sounds = np.zeros(0, np.int16), list[Span]()
        for phonemes in self.phonemize(sentence):
            clip = self.speak(phonemes)
            finished, cut = _finish(clip.samples, phonemes, self.gain_db)
            lost = cut + self.ahead_samples
            for start, end in _sounds(phonemes, clip):
                place = _sounding(finished, start - lost, end - lost)
                sounds.append((len(samples) + place.start, len(samples) + place.stop))
            samples = np.concatenate([samples, finished])
        return Speech(samples, self._word_times(sentence, sounds))

    def _word_times(self, sentence: str, sounds: Sequence[Span]) -> tuple[WordTime, ...]:
        """Where the words of `sentence` lie, whose `sounds` are in order."""
        words = sentence.split()
        counts = [int(is_word(word)) for word in words]
        if sum(counts) != len(sounds):  # "84" is two sounds, "=" is one
            counts = [1 if word.strip(_MARKS).isalpha() else self._count_sounds(word) for word in words]
        if sum(counts) != len(sounds):
            return _shared_out(sentence, sounds)
        times, left, at = [], iter(sounds), 0
        for word, count in zip(words, counts, strict=True):
            own = [next(left) for _ in range(count)] or [(at, at)]
            at = own[-1][1]
            if is_word(word):
                times.append(WordTime(word, own[0][0], at))
        return tuple(times)

    def _count_sounds(self, word: str) -> int:
        return sum(len(_APART.findall(phonemes)) for phonemes in self.phonemize(word))


def sentences(text: str) -> Sequence[str]:
    """What is spoken in one call each."""
    cutter = Sentences(
        first_clause_chars=_LONG_CLAUSE_CHARS,
        first_word_chars=_LONG_WORD_CHARS,
        long_clause_chars=_LONG_CLAUSE_CHARS,
        long_word_chars=_LONG_WORD_CHARS,
    )
    return [piece for piece in (*cutter.push(text), *cutter.flush()) if not piece.isspace()]


def _shared_out(sentence: str, sounds: Sequence[Span]) -> tuple[WordTime, ...]:
    """The words by their length."""
    if not sounds:
        return ()
    start, end = sounds[0][0], sounds[-1][1]
    return tuple(
        WordTime(word.text.strip(), word.start_sample, word.end_sample)
        for word in by_length(sentence, start, end - start)
        if is_word(word.text)
    )


def _sounds(phonemes: str, clip: Clip) -> Iterator[Span]:
    """What stands apart in `phonemes`, and where in the clip it lies; marks and pauses around it left out."""
    for match in _APART.finditer(phonemes):
        heard = [at for at in range(*match.span()) if phonemes[at].isalpha()]
        yield clip.bounds[heard[0]], clip.bounds[heard[-1] + 1]


def _finish(clip: Floats, phonemes: str, gain_db: float) -> tuple[Samples, int]:
    """Raw `float32[n]` at the level and with the silences that a conversation wants, and how many samples are
    gone from its front."""
    mark = phonemes.rstrip("\"'”’) ")[-1:]
    samples = from_float(_amplify(clip, gain_db))
    kept = sounding(samples, RATE_HZ, head_ms=_HEAD_MS, tail_ms=_PAUSES_MS.get(mark, _NO_PAUSE_MS))
    return fade_out(samples[kept], ms_to_samples(_FADE_MS, RATE_HZ)), kept.start


def _sounding(samples: Samples, start: int, end: int) -> slice:
    """From `start` to `end` without the silence at both; all of it where there is nothing else."""
    start, end = (min(max(at, 0), len(samples)) for at in (start, end))
    sound = sounding(samples[start:end], RATE_HZ, head_ms=0, tail_ms=0)
    return slice(start + sound.start, start + sound.stop) if sound.stop else slice(start, end)


def _amplify(clip: Floats, gain_db: float) -> Floats:
    """Louder by `gain_db`; what would pass `LIMIT_FROM` is bent towards full scale and never reaches it."""
    louder = clip * np.float32(10 ** (gain_db / 20))
    over = np.abs(louder) - np.float32(LIMIT_FROM)
    room = np.float32(1.0 - LIMIT_FROM)
    bent = np.sign(louder) * (np.float32(LIMIT_FROM) + room * np.tanh(np.maximum(over, 0) / room))
    limited: Floats = np.where(over > 0, bent, louder)
    return limited

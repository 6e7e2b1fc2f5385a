"""How a scripted voice sounds: a tone a word, and in it, if that is wanted, a mark that tells which word it is."""

import numpy as np

from audio.formats import Samples, ms_to_samples
from audio.marks import mark_of, write_mark

MAX_LETTERS = 16
_LETTER_MS = 70
_PAUSE_MS = 60
_FADE_MS = 5
_LOWEST_HZ = 180.0
_AMPLITUDE = 0.2 * 32_767


def word_tone(letters: int, speed: float, rate_hz: int, octave: int = 1) -> Samples:
    """A word of so many letters, `int16[n]`, read-only; its end is silent."""
    voiced = ms_to_samples(_LETTER_MS * letters / speed, rate_hz)
    fade = min(ms_to_samples(_FADE_MS, rate_hz), voiced // 2)
    time_s = np.arange(voiced) / rate_hz
    level = np.minimum(1.0, np.minimum(np.arange(voiced), np.arange(voiced)[::-1]) / max(fade, 1))
    wave = np.sin(2 * np.pi * octave * (_LOWEST_HZ + 20.0 * letters) * time_s) * level * _AMPLITUDE
    tone = np.concatenate(
        [wave.astype(np.int16), np.zeros(ms_to_samples(_PAUSE_MS / speed, rate_hz), np.int16)]
    )
    tone.setflags(write=False)
    return tone


def marked(
    tone: Samples, word: str, place: int, *, is_last: bool, rate_hz: int, speed: float = 1.0
) -> Samples:
    """The tone of a word with its mark at the beginning; `place` words are before it in what is said at once."""
    lasts_ms = _LETTER_MS * min(len(word), MAX_LETTERS) / speed
    mark = write_mark(mark_of(word, place, is_last=is_last, lasts_ms=lasts_ms), rate_hz, _AMPLITUDE)
    return np.concatenate([mark, tone[len(mark) :]])

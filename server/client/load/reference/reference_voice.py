"""The voice of the reference agent: words with their marks, of which some can be lost, said twice or cut. Pure."""

from collections.abc import Sequence

import numpy as np

from audio.formats import Samples
from audio.marks import UNIT_MS, mark_of, write_mark

PAUSE_MS = 60
_MOST_UNITS = 4


def speak(
    words: Sequence[str],
    rate_hz: int,
    loudness: int,
    *,
    lost: int | None = None,
    doubled: int | None = None,
    cut: int | None = None,
) -> Samples:
    """The words as one piece of speech, `int16[n]`; the places of those at fault are counted from 0."""
    parts: list[Samples] = []
    for place, word in enumerate(words):
        sound = _word(word, place, is_last=place == len(words) - 1, rate_hz=rate_hz, loudness=loudness)
        if place == cut:
            sound = sound[: len(sound) // 2]
        if place != lost:
            parts += [sound] * (2 if place == doubled else 1)
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def _word(word: str, place: int, *, is_last: bool, rate_hz: int, loudness: int) -> Samples:
    lasts_ms = UNIT_MS * min(_MOST_UNITS, max(2, len(word)))
    mark = write_mark(mark_of(word, place, is_last=is_last, lasts_ms=lasts_ms), rate_hz, loudness)
    times = np.arange(rate_hz * lasts_ms // 1000 - len(mark))
    rest = np.where(times // (rate_hz // 800) % 2 == 0, loudness, -loudness)
    return np.concatenate([mark, rest, np.zeros(rate_hz * PAUSE_MS // 1000, np.int16)]).astype(np.int16)

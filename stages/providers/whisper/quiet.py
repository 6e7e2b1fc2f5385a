"""Where in an utterance there is speech and where it is quiet, by level alone.

Enough to leave out silence that a recogniser need not listen to, and to find a place to cut; whether
something is an utterance at all is for a voice activity detector. Levels are dBFS of 20 ms frames.
"""

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from audio.formats import SPEECH_HZ, Samples, ms_to_samples

Levels: TypeAlias = npt.NDArray[np.float32]

FRAME_SAMPLES = ms_to_samples(20, SPEECH_HZ)

_SILENCE_DBFS = -70.0
"""Nothing below this is speech, however quiet the rest is."""

_ABOVE_NOISE_DB = 6.0
_BELOW_SPEECH_DB = (-40.0, -30.0)
"""How far below the loud part of an utterance its softest speech may be; the noise decides between them."""

_AFTER_SPEECH_DB = -20.0
"""How far below the loud part sound must be that follows an utterance and is no part of it, at the least. The
noise counts for more there: most rooms are louder than the softest speech."""

_CUT_FRAMES = 10
"""A pause between words that is worth cutting in has 200 ms."""


def frame_levels(samples: Samples) -> Levels:
    """`float32[n // 320]` of `int16[n]` at 16 kHz; what is left over at the end is not measured."""
    whole = len(samples) // FRAME_SAMPLES
    frames = samples[: whole * FRAME_SAMPLES].reshape(whole, FRAME_SAMPLES).astype(np.float32) / 32768
    power = np.einsum("fs,fs->f", frames, frames) / FRAME_SAMPLES
    levels: Levels = 10 * np.log10(np.maximum(power, 1e-12))
    return levels


def loud_frames(levels: Levels) -> npt.NDArray[np.bool_]:
    """`bool[n]`: which frames may hold speech.

    The loud part is the 90th percentile, so that a click does not hide the words after it; the noise is the
    10th. Where there is no silence to measure, soft sounds count as speech.
    """
    loud_enough: npt.NDArray[np.bool_] = levels > _threshold(*_noise_and_loud(levels))
    return loud_enough


def quiet_after(levels: Levels) -> float:
    """The level that none of the frames after an utterance exceeds when nothing more was said."""
    noise, loud = _noise_and_loud(levels)
    return max(_threshold(noise, loud), min(noise + _ABOVE_NOISE_DB, loud + _AFTER_SPEECH_DB))


def _noise_and_loud(levels: Levels) -> tuple[float, float]:
    if not len(levels):
        return _SILENCE_DBFS, _SILENCE_DBFS
    noise, loud = np.percentile(levels, (10, 90))
    return float(noise), float(loud)


def _threshold(noise: float, loud: float) -> float:
    softest, hardest = (loud + below for below in _BELOW_SPEECH_DB)
    return max(_SILENCE_DBFS, min(max(noise + _ABOVE_NOISE_DB, softest), hardest))


def speech_span(levels: Levels) -> tuple[int, int] | None:
    """The first frame that may hold speech and the one after the last; None if there is none."""
    loud = np.flatnonzero(loud_frames(levels))
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else None


def quietest_sample(samples: Samples, earliest: int, latest: int) -> int:
    """The middle of the quietest 200 ms between two sample positions; of equals, the last."""
    levels = frame_levels(samples[earliest:latest])
    if len(levels) < _CUT_FRAMES:
        return latest
    power = np.concatenate(([0.0], np.cumsum(10 ** (levels.astype(np.float64) / 10))))
    pauses = power[_CUT_FRAMES:] - power[:-_CUT_FRAMES]
    place = len(pauses) - 1 - int(np.argmin(pauses[::-1]))
    return earliest + (place + _CUT_FRAMES // 2) * FRAME_SAMPLES


def pauses(samples: Samples, least_ms: int) -> list[int]:
    """The middle of each pause of `least_ms` or more between sounds, as positions of samples."""
    loud = np.flatnonzero(loud_frames(frame_levels(samples)))
    least = ms_to_samples(least_ms, SPEECH_HZ) // FRAME_SAMPLES
    return [
        (int(before) + int(after) + 1) * FRAME_SAMPLES // 2
        for before, after in pairwise(loud)
        if after - before > least
    ]

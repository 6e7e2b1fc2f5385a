"""How loud samples are, where there is sound in them, and how to cut it without a click. All vectorised.

dBFS here means: relative to a square wave of full scale, so a full-scale sine has -3 dBFS.
"""

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from audio.formats import Samples, ms_to_samples

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

FULL_SCALE = 32768.0

_SOUND_WINDOW_MS = 5
"""Short enough to find a plosive's start, long enough to hold half a period of the lowest voices."""


def quantise(values: Floats) -> Samples:
    """Floats at the scale of int16 -> `int16[n]`, rounded and clipped."""
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def from_float(values: Floats) -> Samples:
    """Floats from -1 to 1, as models and files have them -> `int16[n]`; louder is clipped, NaN is silence."""
    return quantise(np.nan_to_num(values * FULL_SCALE, nan=0.0))


def rms(samples: Samples) -> float:
    """Root mean square in steps of int16, 0 to 32768; 0 for no samples."""
    if not len(samples):
        return 0.0
    values = samples.astype(np.float64)
    return math.sqrt(float(values @ values) / len(samples))


def loud_dbfs(samples: Samples, window_samples: int = 320) -> float:
    """The level of the loudest fifth of its windows: of speech about that of its vowels; -inf for no whole window."""
    whole = len(samples) // window_samples
    if not whole:
        return -math.inf
    windows = samples[: whole * window_samples].reshape(whole, window_samples).astype(np.float64)
    powers = np.sort(np.einsum("ws,ws->w", windows, windows))[-max(1, whole // 5) :]
    power = float(powers.mean()) / window_samples / FULL_SCALE**2
    return 10 * math.log10(power) if power else -math.inf


def fade_out(samples: Samples, fade_samples: int) -> Samples:
    """The last `fade_samples` fall linearly to silence; what was cut off then does not click."""
    n = min(fade_samples, len(samples))
    faded = samples.copy()
    faded[len(samples) - n :] = quantise(samples[len(samples) - n :] * (np.arange(n)[::-1] / max(1, n)))
    return faded


def sounding(
    samples: Samples, rate_hz: int, *, head_ms: int = 20, tail_ms: int = 80, floor_dbfs: float = -50.0
) -> slice:
    """From `head_ms` before the first to `tail_ms` after the last 5 ms louder than `floor_dbfs`, as a slice.

    Of what is silent throughout it is empty. Silence within is left alone. Synthesisers tend to begin a clip
    with some hundred milliseconds of silence, which the person would take for thinking.
    """
    if not len(samples):
        return slice(0, 0)
    window = max(1, ms_to_samples(_SOUND_WINDOW_MS, rate_hz))
    starts = np.arange(0, len(samples), window)
    energy = np.add.reduceat(samples.astype(np.float64) ** 2, starts)
    lengths = np.diff(starts, append=len(samples))
    loud = np.flatnonzero(energy > lengths * (FULL_SCALE * 10 ** (floor_dbfs / 20)) ** 2)
    if not len(loud):
        return slice(0, 0)
    first = int(starts[loud[0]]) - ms_to_samples(head_ms, rate_hz)
    last = int(starts[loud[-1]]) + window + ms_to_samples(tail_ms, rate_hz)
    return slice(max(0, first), min(last, len(samples)))

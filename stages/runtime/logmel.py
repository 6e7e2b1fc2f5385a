"""Speech as Whisper sees it: 80 log-mel bands, 100 frames a second, cheap enough for the worker thread.

After Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.2, and
the Slaney mel scale of the Auditory Toolbox (1998): Hann windows of 25 ms every 10 ms, power spectrum,
triangular bands of equal area, log10, everything more than 80 dB below the loudest value raised to that, then
shifted and scaled to about ±1.

No matrix product is used. A band has at most 14 frequencies, so gathering them costs less; and a threaded
BLAS keeps its other threads spinning for 0.1 s after each product, on cores that the model wants.
"""

from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from audio.formats import SPEECH_HZ, Samples

Floats: TypeAlias = npt.NDArray[np.float32]

BANDS = 80
FRAMES_PER_S = 100
_HOP_SAMPLES = SPEECH_HZ // FRAMES_PER_S
_WINDOW_SAMPLES = 400
_SHORTEST_SAMPLES = _WINDOW_SAMPLES // 2 + 1
"""Less cannot be mirrored at its ends."""
_DYNAMIC_RANGE = 8.0
"""In units of log10 of power, so 80 dB."""


def log_mel(samples: Samples, frames: int) -> Floats:
    """`float32[80, frames]` of `int16[n]` at 16 kHz; cut if longer, filled up with silence if shorter."""
    wave: Floats = samples.astype(np.float32) / np.float32(32768)
    return log_mel_of_wave(wave, frames)


def log_mel_of_wave(wave: Floats, frames: int) -> Floats:
    """The same of `float32[n]`, at whatever scale the model wants."""
    if len(wave) < _SHORTEST_SAMPLES:
        wave = np.pad(wave, (0, _SHORTEST_SAMPLES - len(wave)))
    wave = wave[: frames * _HOP_SAMPLES + _WINDOW_SAMPLES]
    wave = np.pad(wave, _WINDOW_SAMPLES // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(wave, _WINDOW_SAMPLES)[::_HOP_SAMPLES][:frames]
    spectrum = np.fft.rfft(windows * _hann(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    bins, weights = _bands()
    bands = np.einsum("tbw,bw->bt", power[:, bins], weights)
    levels = np.log10(np.maximum(bands, 1e-10))
    floor = levels.max() - _DYNAMIC_RANGE
    filled: Floats = np.full((BANDS, frames), floor, np.float32)
    np.maximum(levels, floor, out=filled[:, : levels.shape[1]])
    filled += 4
    filled /= 4
    return filled


@cache
def _hann() -> Floats:
    """A periodic Hann window."""
    return np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


@cache
def _bands() -> tuple[npt.NDArray[np.intp], Floats]:
    """The frequency bins of each band, and their weights: `intp[80, w]`, `float32[80, w]`.

    Every row is as long as the widest band needs; what is too much has weight 0.
    """
    bins_hz = np.fft.rfftfreq(_WINDOW_SAMPLES, 1 / SPEECH_HZ)
    edges_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(SPEECH_HZ / 2), BANDS + 2))
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    triangles = np.minimum((bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle))
    weights = np.maximum(triangles, 0) * 2 / (high - low)
    width = int(np.count_nonzero(weights, axis=1).max())
    first = np.minimum(np.argmax(weights > 0, axis=1), len(bins_hz) - width)
    bins = first[:, None] + np.arange(width)
    return bins, np.take_along_axis(weights, bins, axis=1).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    """Slaney's scale: linear below 1 kHz, then 27 steps for a factor of 6.4."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))


def _mel_to_hz(mel: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))

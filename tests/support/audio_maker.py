"""Audio for tests, made from seeds or read from the recorded clips: mono `int16[n]`, the same every time.

Levels are RMS in dBFS, durations whole milliseconds, and the rate is 16 kHz unless said otherwise.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from audio.files import read_audio
from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from audio.levels import FULL_SCALE, Floats, fade_out, quantise, rms

SPEECH_DIR = Path(__file__).parent.parent / "data" / "speech"


def silence(ms: int, rate_hz: int = SPEECH_HZ) -> Samples:
    """Digital silence."""
    return np.zeros(ms_to_samples(ms, rate_hz), np.int16)


def tone(hz: float, ms: int, dbfs: float = -20.0, rate_hz: int = SPEECH_HZ) -> Samples:
    """A sine that starts at phase 0."""
    return _at_level(np.sin(2 * np.pi * hz / rate_hz * np.arange(ms_to_samples(ms, rate_hz))), dbfs)


def white_noise(ms: int, dbfs: float, seed: int = 0, rate_hz: int = SPEECH_HZ) -> Samples:
    """Equal power at all frequencies: a fan, a hiss on the line."""
    return _at_level(np.random.default_rng(seed).standard_normal(ms_to_samples(ms, rate_hz)), dbfs)


def pink_noise(ms: int, dbfs: float, seed: int = 0, rate_hz: int = SPEECH_HZ) -> Samples:
    """Power that falls by 3 dB an octave above 10 Hz: a busy room."""
    return _shaped_noise(ms, dbfs, seed, rate_hz, exponent=0.5)


def brown_noise(ms: int, dbfs: float, seed: int = 0, rate_hz: int = SPEECH_HZ) -> Samples:
    """Power that falls by 6 dB an octave above 10 Hz: wind, traffic, a hand on the microphone."""
    return _shaped_noise(ms, dbfs, seed, rate_hz, exponent=1.0)


def clicks(ms: int, every_ms: int = 250, dbfs: float = -15.0, seed: int = 0) -> Samples:
    """Bursts of 5 ms in silence: somebody types."""
    audio = silence(ms)
    burst = white_noise(5, dbfs, seed)
    for start in range(0, len(audio) - len(burst), ms_to_samples(every_ms, SPEECH_HZ)):
        audio[start : start + len(burst)] = burst
    return audio


def voice(ms: int, dbfs: float = -22.0, seed: int = 0, rate_hz: int = SPEECH_HZ) -> Samples:
    """Something that detectors take for speech: a buzz in four syllables of gliding vowels a second.

    Voiced throughout and cut sharply at both ends, so the expected endpoints are known to the sample.
    """
    n = ms_to_samples(ms, rate_hz)
    if not n:
        return silence(0)
    rng = np.random.default_rng(seed)
    times = np.arange(n) / rate_hz
    pitch_hz = 120 + 20 * np.sin(2 * np.pi * 3 * times + rng.uniform(0, 2 * np.pi))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    vowel = np.sin(2 * np.pi * 2 * times + rng.uniform(0, 2 * np.pi))
    formants = ((550 + 150 * vowel, 1.0), (1400 + 500 * vowel, 0.6), (np.full(n, 2600.0), 0.3))
    buzz = _harmonics(pitch_hz, phase, formants)
    syllables = 0.6 + 0.4 * np.cos(2 * np.pi * 4 * times)
    return _at_level(buzz * syllables, dbfs)


def _harmonics(pitch_hz: Floats, phase: Floats, formants: Sequence[tuple[Floats, float]]) -> Floats:
    """The sum of thirty harmonics, each as strong as it is near to the formants (Hz, strength).

    Step by step and in place, because to work each out by itself takes longer than to recognise the voice.
    """
    wave, turn = np.ones(len(phase), complex), np.exp(1j * phase)
    away = [-formant_hz / 90 for formant_hz, _ in formants]
    weight, share, buzz = np.empty((3, len(phase)))
    buzz[:] = 0
    for _ in range(30):
        wave *= turn
        weight[:] = 0
        for distance, (_, strength) in zip(away, formants, strict=True):
            distance += pitch_hz / 90
            np.multiply(distance, distance, out=share)
            share += 1
            weight += np.divide(strength, share, out=share)
        weight *= wave.imag
        buzz += weight
    return buzz


def join(parts: Sequence[Samples], pause_ms: int = 0, rate_hz: int = SPEECH_HZ) -> Samples:
    """One after the other with silence between, their edges faded over 2 ms so that none clicks."""
    fade = ms_to_samples(2, rate_hz)
    smooth = [fade_out(fade_out(part[::-1], fade)[::-1], fade) for part in parts]
    pause = silence(pause_ms, rate_hz)
    between = [piece for part in smooth for piece in (part, pause)][:-1]
    return np.concatenate(between) if between else silence(0)


def dbfs(samples: Samples) -> float:
    """RMS level; minus infinity for digital silence."""
    level = rms(samples)
    return 20 * math.log10(level / FULL_SCALE) if level else -math.inf


def mix(audio: Samples, noise: Samples) -> Samples:
    """Both at once, as long as `audio`; `noise` must not be shorter."""
    return quantise(audio.astype(np.float64) + noise[: len(audio)])


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of `tests/data/speech/manifest.tsv`: recorded speech at 16 kHz and what is said in it."""

    file: str
    transcript: str
    kind: str
    seconds: float

    @property
    def path(self) -> Path:
        """Where the recording lies."""
        return SPEECH_DIR / self.file

    def read(self) -> Samples:
        """The recording, `int16[n]` at 16 kHz."""
        samples, rate_hz = read_audio(self.path)
        assert rate_hz == SPEECH_HZ, f"{self.file} has {rate_hz} Hz"
        return samples


@cache
def clips() -> tuple[Clip, ...]:
    """All recorded clips, in the manifest's order."""
    with open(SPEECH_DIR / "manifest.tsv", newline="", encoding="utf-8") as manifest:
        rows = csv.DictReader(manifest, delimiter="\t")
        return tuple(Clip(r["file"], r["transcript"], r["set"], float(r["seconds"])) for r in rows)


def clip(name: str) -> Clip:
    """The clip of this file name, with or without `.wav`."""
    return next(c for c in clips() if c.file.removesuffix(".wav") == name.removesuffix(".wav"))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """`data` cut every `size` bytes, as a client sends it."""
    return (data[start : start + size] for start in range(0, len(data), size))


@st.composite
def cuts(draw: st.DrawFn, length: int, at_most: int = 12) -> list[slice]:
    """Any way to cut something of `length` into consecutive pieces, empty ones included."""
    marks = draw(st.lists(st.integers(0, length), max_size=at_most).map(sorted))
    return [slice(start, stop) for start, stop in pairwise([0, *marks, length])]


def _shaped_noise(ms: int, dbfs: float, seed: int, rate_hz: int, exponent: float) -> Samples:
    n = ms_to_samples(ms, rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / rate_hz)
    spectrum[hz < 10] = 0
    spectrum[hz >= 10] /= hz[hz >= 10] ** exponent
    return _at_level(np.fft.irfft(spectrum, n), dbfs)


def _at_level(wave: npt.NDArray[np.floating[Any]], dbfs: float) -> Samples:
    if not len(wave):
        return silence(0)
    return quantise(wave / np.sqrt(np.mean(wave**2)) * FULL_SCALE * 10 ** (dbfs / 20))

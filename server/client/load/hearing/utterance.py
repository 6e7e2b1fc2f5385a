"""What a caller says: samples that are prepared once for all callers, and where there is voice in them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio.formats import Samples
from audio.levels import FULL_SCALE, quantise, sounding
from audio.resample import Resampler
from server.client.load.hearing.answers import LOUD
from server.client.load.wire import Target, Wire

FRAME_MS = 20
_HUSH_STEPS = 2
"""What a microphone makes of silence. A muted one is cheaper to hear, and some servers notice."""

_HUSH_FRAMES = 50


@dataclass(frozen=True, slots=True)
class PreparedUtterance:
    """Frames of 20 ms as they go over the wire, shared by all callers."""

    frames: tuple[Wire, ...]
    voiced_s: tuple[float, float]
    """Where its voice begins and ends, from its first sample."""
    samples: Samples
    """`int16[n]` at the target's rate, whole frames."""

    @property
    def lasts_s(self) -> float:
        """How long the utterance lasts, in seconds."""
        return len(self.frames) * FRAME_MS / 1000


def prepare(target: type[Target], samples: Samples, rate_hz: int) -> PreparedUtterance:
    """An utterance of `int16[n]` at any rate. The last frame is filled with silence."""
    wire = (
        Resampler(rate_hz, target.rate_hz).process(samples, last=True)
        if rate_hz != target.rate_hz
        else samples
    )
    size = target.rate_hz * FRAME_MS // 1000
    whole = np.zeros(-(-len(wire) // size) * size, np.int16)
    whole[: len(wire)] = wire
    frames = tuple(target.prepare(frame) for frame in whole.reshape(-1, size))
    first, last = voiced(whole, target.rate_hz)
    return PreparedUtterance(frames, (first / target.rate_hz, last / target.rate_hz), whole)


def voiced(samples: Samples, rate_hz: int) -> tuple[int, int]:
    """Where the voice in `int16[n]` begins and ends, to the sample."""
    rough = sounding(samples, rate_hz, head_ms=0, tail_ms=0)
    loud = np.flatnonzero(np.abs(samples[rough].astype(np.int32)) > LOUD)
    return (rough.start + int(loud[0]), rough.start + int(loud[-1]) + 1) if len(loud) else (0, len(samples))


def hush(target: type[Target], seed: int) -> PreparedUtterance:
    """A second of a quiet room, to be sent over and over."""
    count = target.rate_hz * FRAME_MS // 1000 * _HUSH_FRAMES
    room = np.random.default_rng(seed).integers(-_HUSH_STEPS, _HUSH_STEPS + 1, count).astype(np.int16)
    return prepare(target, room, target.rate_hz)


def noise(rate_hz: int, ms: int, level_dbfs: float, seed: int) -> Samples:
    """White noise, `int16[n]`."""
    scale = FULL_SCALE * 10 ** (level_dbfs / 20)
    return quantise(np.random.default_rng(seed).normal(0.0, scale, rate_hz * ms // 1000))


def music(rate_hz: int, ms: int, level_dbfs: float, seed: int) -> Samples:
    """Chords of a random scale with a melody above them, two beats a second, `int16[n]`."""
    chance = np.random.default_rng(seed)
    count, beat = rate_hz * ms // 1000, rate_hz // 2
    wave = np.zeros(-(-count // beat) * beat)
    root_hz = 110.0 * 2 ** (chance.integers(12) / 12)
    times_s = np.arange(beat) / rate_hz
    envelope = np.minimum(1.0, times_s / 0.01) * np.exp(-2.0 * times_s)
    for start in range(0, len(wave), beat):
        degree = int(chance.choice((0, 5, 7, 9)))
        steps = (degree, degree + 4, degree + 7, degree + 12 + int(chance.choice((0, 2, 4, 7, 9))))
        for step in steps:
            for harmonic in (1, 2, 3):
                hz = root_hz * harmonic * 2 ** (step / 12)
                wave[start : start + beat] += np.sin(2 * np.pi * hz * times_s) * envelope / harmonic
    level = np.sqrt(np.mean(wave**2))
    return quantise(wave[:count] / level * FULL_SCALE * 10 ** (level_dbfs / 20))


def join(parts: Sequence[Samples | int], rate_hz: int) -> Samples:
    """Samples one after another; a number is a pause of so many ms."""
    pieces = [np.zeros(rate_hz * part // 1000, np.int16) if isinstance(part, int) else part for part in parts]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

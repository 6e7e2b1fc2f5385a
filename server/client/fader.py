"""How loud the voice is: ramps between full, lowered and silent, so that it never stops on a step. Pure."""

import math
from enum import Enum

import numpy as np

from audio.formats import Samples

LONGEST_BLOCK = 4096


class Level(Enum):
    """How loud the voice is to be, from 0 to 1, and how long the whole way between the two takes, in ms."""

    FULL = (1.0, 120)
    LOW = (0.25, 60)
    HELD = (0.0, 25)
    FLUSHED = (0.0, 8)


class Fader:
    """The gain of one voice, on its way to a level. `gain` is where it is now."""

    def __init__(self, rate_hz: int) -> None:
        self.gain = 1.0
        self._rate_hz = rate_hz
        self._ramp = np.arange(1, LONGEST_BLOCK + 1, dtype=np.float32)
        self._scratch = np.zeros(LONGEST_BLOCK, np.float32)

    def audible(self, level: Level, count: int) -> int:
        """How many of the next `count` samples come before the voice is silent at this level."""
        target, ramp_ms = level.value
        return count if target else min(count, math.ceil(self.gain / self._step(ramp_ms)))

    def fade(self, out: Samples, level: Level) -> None:
        """Scale `int16[n]`, at most LONGEST_BLOCK, where it lies: a step nearer to the level with each sample."""
        target, ramp_ms = level.value
        if self.gain == target == 1:
            return
        step = self._step(ramp_ms)
        gains = self._scratch[: len(out)]
        np.multiply(self._ramp[: len(out)], step if target > self.gain else -step, out=gains)
        np.add(gains, self.gain, out=gains)
        np.clip(gains, min(self.gain, target), max(self.gain, target), out=gains)
        self.gain = float(gains[-1])
        np.multiply(gains, out, out=gains)
        out[:] = gains

    def _step(self, ramp_ms: int) -> float:
        return 1000 / (ramp_ms * self._rate_hz)

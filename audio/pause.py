"""The quiet of a pause, and whether sound rises out of it.

A detector of speech needs some 50 ms of a voice to be sure of one. An end of turn that falls due in those 50 ms
cuts off somebody who has just begun to go on. Level alone cannot tell a voice from a chair, but it is there at
once: enough to put off for a moment what cannot be taken back.
"""

from enum import IntEnum

import numpy as np

from audio.formats import Samples
from audio.levels import FULL_SCALE

RISE_DB = 6.0
"""So far above the quiet is a rise. In noise of one loudness a quarter of a frame stays below that. Of 6 to 10 dB,
tried on the trials of `scripts/bench-turns`, 6 saves the most sentences in noise and as many as the others without."""

PLAIN_RISE_DB = 12.0
"""So far above it is more than the noise of a room, which comes and goes. By level alone all of 120 recorded letters
rise so far, at -38 dBFS and 10 dB above the noise, and after none of fourteen recordings does the noise of the room;
by 6 dB it does after six."""

_QUIETEST_DBFS = -65.0
"""Nothing softer is a voice, however quiet the pause is."""

_QUARTERS = 4
"""A voice that comes back in the last quarter of a frame is lost in the level of the whole."""


class Rise(IntEnum):
    """How far sound rises out of a pause."""

    NONE = 0
    SOME = 1
    """By `RISE_DB`: enough to wait a moment for the detector."""
    PLAIN = 2
    """By `PLAIN_RISE_DB`: enough to be a letter that the detector misses."""


class Pause:
    """Listens to one pause after the other, frame by frame."""

    __slots__ = ("_quietest",)

    def __init__(self) -> None:
        self._quietest = np.inf

    def begin(self) -> None:
        """Another pause begins with the next frame."""
        self._quietest = np.inf

    def hear(self, frame: Samples) -> Rise:
        """How far sound rises in `int16[n]`, n divisible by four, above the quietest frame of the pause so far."""
        quarters = frame.astype(np.float32).reshape(_QUARTERS, -1)
        # Four products of numbers: with arrays of four it takes twice as long.
        powers = [float(quarter.dot(quarter)) / len(quarter) for quarter in quarters]
        loudest, quietest = max(powers), self._quietest
        self._quietest = min(quietest, sum(powers) / _QUARTERS)
        if loudest <= max(quietest * _RISE, _QUIETEST):
            return Rise.NONE
        return Rise.PLAIN if loudest > quietest * _PLAIN_RISE else Rise.SOME


_RISE = 10 ** (RISE_DB / 10)
_PLAIN_RISE = 10 ** (PLAIN_RISE_DB / 10)
_QUIETEST = FULL_SCALE**2 * 10 ** (_QUIETEST_DBFS / 10)

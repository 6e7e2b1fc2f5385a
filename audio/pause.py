"""The quiet of a pause, and whether sound rises out of it.

A detector of speech needs some 50 ms of a voice to be sure of one. An end of turn that falls due in those 50 ms
cuts off somebody who has just begun to go on. Level alone cannot tell a voice from a chair, but it is there at
once: enough to put off for a moment what cannot be taken back.
"""

import numpy as np

from audio.formats import Samples
from audio.levels import FULL_SCALE

RISE_DB = 6.0
"""So far above the quiet is a rise. In noise of one loudness a quarter of a frame stays below that. Of 6 to 10 dB,
tried on the trials of `scripts/bench-turns`, 6 saves the most sentences in noise and as many as the others without."""

_QUIETEST_DBFS = -65.0
"""Nothing softer is a voice, however quiet the pause is."""

_QUARTERS = 4
"""A voice that comes back in the last quarter of a frame is lost in the level of the whole."""


class Pause:
    """Listens to one pause after the other, frame by frame."""

    __slots__ = ("_quietest",)

    def __init__(self) -> None:
        self._quietest = np.inf

    def begin(self) -> None:
        """Another pause begins with the next frame."""
        self._quietest = np.inf

    def hear(self, frame: Samples) -> bool:
        """Whether sound rises in `int16[n]`, n divisible by four, above the quietest frame of the pause so far."""
        quarters = frame.astype(np.float32).reshape(_QUARTERS, -1)
        # Four products of numbers: with arrays of four it takes twice as long.
        powers = [float(quarter.dot(quarter)) / len(quarter) for quarter in quarters]
        rises = max(powers) > max(self._quietest * _RISE, _QUIETEST)
        self._quietest = min(self._quietest, sum(powers) / _QUARTERS)
        return rises


_RISE = 10 ** (RISE_DB / 10)
_QUIETEST = FULL_SCALE**2 * 10 ** (_QUIETEST_DBFS / 10)

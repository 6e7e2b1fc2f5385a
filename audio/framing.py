"""Samples of any cut in, frames of exactly n samples out."""

import numpy as np

from audio.formats import Samples


class Framer:
    """Cuts a stream into equal frames and keeps what is left over, less than a frame, for the next call.

    Frames are views, of the input itself where nothing was left over before: whoever pushes must not write to
    it afterwards.
    """

    __slots__ = ("_frame_samples", "_rest")

    def __init__(self, frame_samples: int) -> None:
        assert frame_samples > 0, "a frame has at least one sample"
        self._frame_samples = frame_samples
        self._rest: Samples = np.empty(0, np.int16)

    def push(self, samples: Samples) -> list[Samples]:
        """All frames, `int16[frame_samples]` each, that `samples` complete; often none."""
        if not len(samples):
            return []
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        size = self._frame_samples
        whole = len(samples) - len(samples) % size
        self._rest = samples[whole:]
        return [samples[start : start + size] for start in range(0, whole, size)]

    def take(self) -> Samples:
        """What is left over; the next frame starts afresh."""
        rest, self._rest = self._rest, self._rest[:0]
        return rest

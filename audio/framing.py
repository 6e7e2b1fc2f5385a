"""Samples of any cut in, frames of exactly n samples out."""

import numpy as np

from audio.formats import Samples


class Framer:
    """Cuts a stream into equal frames and keeps what is left over, less than a frame, for the next call.

    Frames are views, of the input itself where nothing was left over before: whoever pushes must not write to
    it afterwards. What is left over is kept as bytes, which are joined in half the time that arrays take.
    """

    __slots__ = ("_frame_samples", "_rest")

    def __init__(self, frame_samples: int) -> None:
        assert frame_samples > 0, "a frame has at least one sample"
        self._frame_samples = frame_samples
        self._rest = b""

    @property
    def missing_samples(self) -> int:
        """How many complete the next frame."""
        return self._frame_samples - len(self._rest) // 2

    def push(self, samples: Samples) -> list[Samples]:
        """All frames, `int16[frame_samples]` each, that `samples` complete; often none."""
        if self._rest:
            samples = np.frombuffer(self._rest + samples.tobytes(), np.int16)
        size, frames, end = self._frame_samples, [], self._frame_samples
        while end <= len(samples):
            frames.append(samples[end - size : end])
            end += size
        self._rest = samples[end - size :].tobytes()
        return frames

    def take(self) -> Samples:
        """What is left over; the next frame starts afresh."""
        rest, self._rest = self._rest, b""
        return np.frombuffer(rest, np.int16)

"""Samples of any cut in, frames of exactly n samples out."""

import numpy as np

from audio.formats import Samples


class Framer:
    """Cuts a stream into equal frames and keeps what is left over, less than a frame, for the next call.

    Frames are views, of the input itself where nothing was left over before: whoever pushes must not write to
    it afterwards. What is left over is kept as bytes, which are joined once, when they complete a frame.
    """

    __slots__ = ("_frame_samples", "_kept", "_kept_samples")

    def __init__(self, frame_samples: int) -> None:
        assert frame_samples > 0, "a frame has at least one sample"
        self._frame_samples = frame_samples
        self._kept: list[bytes] = []
        self._kept_samples = 0

    @property
    def missing_samples(self) -> int:
        """How many complete the next frame."""
        return self._frame_samples - self._kept_samples

    @property
    def held_samples(self) -> int:
        """How many are left over."""
        return self._kept_samples

    def push(self, samples: Samples) -> list[Samples]:
        """All frames, `int16[frame_samples]` each, that `samples` complete; often none."""
        size = len(samples)
        if size == self._frame_samples and not self._kept:  # the hot path
            return [samples]
        if self._kept_samples + size < self._frame_samples:
            if size:
                self._kept.append(samples.tobytes())
                self._kept_samples += size
            return []
        if self._kept:
            samples = np.frombuffer(b"".join((*self._kept, samples.tobytes())), np.int16)
            self._kept, self._kept_samples = [], 0
        size, frames, end = self._frame_samples, [], self._frame_samples
        while end <= len(samples):
            frames.append(samples[end - size : end])
            end += size
        self._keep(samples[end - size :])
        return frames

    def take(self) -> Samples:
        """What is left over; the next frame starts afresh."""
        rest = np.frombuffer(b"".join(self._kept), np.int16)
        self._kept, self._kept_samples = [], 0
        return rest

    def _keep(self, samples: Samples) -> None:
        if len(samples):
            self._kept.append(samples.tobytes())
            self._kept_samples += len(samples)

"""The audio of an utterance that is still going on, and where in it there may be speech."""

import numpy as np

from audio.formats import Samples
from stages.providers.quiet import FRAME_SAMPLES, frame_levels, loud_frames


class SpeechBuffer:
    """Grows at the end, forgets at the beginning. Positions count samples from the utterance's first.

    Appending costs nothing; the questions measure what is new since the last one, a tenth of a millisecond.
    """

    def __init__(self) -> None:
        self.start_sample = 0
        self.end_sample = 0
        self._pieces: list[Samples] = [np.zeros(0, np.int16)]
        self._levels = np.zeros(0, np.float32)

    def append(self, samples: Samples) -> None:
        """More audio, `int16[n]`."""
        self._pieces.append(samples)
        self.end_sample += len(samples)

    def samples(self) -> Samples:
        """All that is not forgotten, `int16[end_sample - start_sample]`; not to be written to."""
        if len(self._pieces) > 1:
            self._pieces = [np.concatenate(self._pieces)]
        return self._pieces[0]

    def forget(self, before_sample: int) -> None:
        """Let go of the audio before a position, which must lie on a frame's edge counted from the start."""
        gone = before_sample - self.start_sample
        assert gone % FRAME_SAMPLES == 0, f"{gone} samples are not whole frames"
        self._measure()
        self._pieces = [self.samples()[gone:].copy()]
        self._levels = self._levels[gone // FRAME_SAMPLES :]
        self.start_sample = before_sample

    def has_speech(self, from_sample: int, to_sample: int) -> bool:
        """Whether anything between two positions may be speech; frames that they cut through count."""
        self._measure()
        first = max(0, from_sample - self.start_sample) // FRAME_SAMPLES
        last = -(-(to_sample - self.start_sample) // FRAME_SAMPLES)
        return bool(loud_frames(self._levels)[first:last].any())

    def quiet_tail_samples(self) -> int:
        """How long it has been quiet at the end; everything, if there was no speech yet."""
        self._measure()
        loud = np.flatnonzero(loud_frames(self._levels))
        frames = len(self._levels) - (int(loud[-1]) + 1 if len(loud) else 0)
        return frames * FRAME_SAMPLES

    def _measure(self) -> None:
        new = self.samples()[len(self._levels) * FRAME_SAMPLES :]
        if len(new) >= FRAME_SAMPLES:
            self._levels = np.concatenate((self._levels, frame_levels(new)))

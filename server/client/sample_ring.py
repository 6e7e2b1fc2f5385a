"""A ring of samples between one writer and one reader, which may run on different threads and never wait.

Samples get consecutive places, counted since the beginning. `written` is moved by the writer alone and `taken` by the
reader alone, each when the samples have been copied: so what lies between the two is whole, whoever looks. What does
not fit is refused. Nothing is allocated but small views.
"""

import numpy as np

from audio.formats import Samples


class SampleRing:
    """A ring of mono `int16` samples."""

    __slots__ = ("_samples", "taken", "written")

    def __init__(self, capacity_samples: int) -> None:
        self._samples = np.zeros(capacity_samples, np.int16)
        self.written = 0
        """The place behind the newest sample."""
        self.taken = 0
        """The place of the next one to be taken."""

    @property
    def waiting(self) -> int:
        """How many samples there are."""
        return self.written - self.taken

    def put(self, samples: Samples) -> bool:
        """Append `int16[n]`, all of them or, when they do not fit, none. The writer's."""
        if self.waiting + len(samples) > len(self._samples):
            return False
        start = self.written % len(self._samples)
        first = min(len(samples), len(self._samples) - start)
        self._samples[start : start + first] = samples[:first]
        self._samples[: len(samples) - first] = samples[first:]
        self.written += len(samples)
        return True

    def take(self, out: Samples) -> int:
        """Move as many samples into `out` as there are and fit, and tell how many. The reader's."""
        count = min(len(out), self.waiting)
        start = self.taken % len(self._samples)
        first = min(count, len(self._samples) - start)
        out[:first] = self._samples[start : start + first]
        out[first:count] = self._samples[: count - first]
        self.taken += count
        return count

    def skip_to(self, place: int) -> None:
        """Throw away what lies before `place`, which is no further than `written`. The reader's."""
        self.taken = max(self.taken, place)

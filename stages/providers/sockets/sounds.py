"""The audio of one utterance between the socket that brings it and whoever takes it."""

from collections import deque

import numpy as np

from audio.formats import Samples
from stages.errors import ProviderError
from stages.providers.sockets.changes import Changes


class Sounds:
    """A queue of samples and ends of pieces of text, which ends well, with an error, or by being dropped. Its bound is
    the caller's: it pushes no more text while `queued_samples` are many."""

    def __init__(self) -> None:
        self._queue: deque[Samples | None] = deque()
        """None stands for the end of a piece of text."""
        self._end: ProviderError | bool = False
        self._changed = Changes()
        self.samples = self.taken_samples = self.taken_pieces = 0
        self.is_dropped = False

    @property
    def queued_samples(self) -> int:
        """What has come and was not taken."""
        return 0 if self._end else self.samples - self.taken_samples

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more, and all was taken."""
        return bool(self._end) and not self._queue

    def push(self, samples: Samples) -> None:
        """Append `int16[n]`."""
        if len(samples) and not self._end:
            self._queue.append(samples)
            self.samples += len(samples)
            self.wake()

    def piece_over(self, pieces: int = 1) -> None:
        """So many pieces of text end here."""
        if not self._end:
            self._queue.extend([None] * pieces)
            self.wake()

    def end(self) -> None:
        """Note that the sound is complete."""
        self._end = self._end or True
        self.wake()

    def fail(self, error: ProviderError) -> None:
        """It is not complete; what has come is taken first."""
        self._end = self._end or error
        self.wake()

    def drop(self) -> None:
        """Drop the sound: nobody takes any more of it."""
        self.is_dropped = self.is_dropped or not self._end
        self._queue.clear()
        self.end()

    def check(self) -> None:
        """Raise what it failed with."""
        if isinstance(self._end, ProviderError):
            raise self._end

    def take(self) -> Samples | None:
        """All audio that is there, up to the end of a piece; none at all at such an end. Raises what it failed with,
        after its audio."""
        if not self._queue:
            self.check()
            return None
        stretches: list[Samples] = []
        while self._queue and (next_one := self._queue[0]) is not None:
            stretches.append(next_one)
            self._queue.popleft()
        if not stretches:
            self._queue.popleft()
            self.taken_pieces += 1
            return np.zeros(0, np.int16)
        taken = stretches[0] if len(stretches) == 1 else np.concatenate(stretches)
        self.taken_samples += len(taken)
        self.wake()
        return taken

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._changed.tell()

    async def wait(self) -> None:
        """Until something changes. Cancel-safe."""
        await self._changed.wait()
